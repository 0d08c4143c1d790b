"""Headrace's own code, shipped to every Lambda function as one layer."""
