"""Entry points of the serving."""
