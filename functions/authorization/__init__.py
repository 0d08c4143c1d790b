"""Entry points of authorization."""
