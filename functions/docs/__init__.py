"""Entry points of the API description."""
