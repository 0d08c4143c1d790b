"""What tiers works with."""
