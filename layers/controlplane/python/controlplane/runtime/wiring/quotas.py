"""What quotas works with."""
