"""What people works with."""
