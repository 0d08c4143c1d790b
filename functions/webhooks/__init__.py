"""Entry points of webhooks."""
