"""Tiers, who subscribes to them, and the limits that follow."""
