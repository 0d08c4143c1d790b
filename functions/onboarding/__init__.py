"""Entry points of onboarding."""
