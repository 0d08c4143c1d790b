"""What auditing works with."""
