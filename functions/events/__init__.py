"""Entry points of the event publishing."""
