"""Tenants, the people and machines that belong to them, and what they may use."""
