"""Entry points of quotas."""
