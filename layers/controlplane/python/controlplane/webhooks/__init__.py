"""A tenant's webhooks: who is told of which events, and how each telling went."""
