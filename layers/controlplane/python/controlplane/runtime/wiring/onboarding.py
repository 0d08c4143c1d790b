"""What onboarding works with."""
