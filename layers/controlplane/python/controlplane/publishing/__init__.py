"""Carries the domain events inside changed items to the event bus."""
