"""Entry points of tiers."""
