"""What authorization works with."""
