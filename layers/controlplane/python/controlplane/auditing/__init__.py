"""The chained record of every change and of what was denied."""
