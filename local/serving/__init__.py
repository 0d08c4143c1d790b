"""Model servers of the embedded cluster: what a predictor pod runs on a real one."""
