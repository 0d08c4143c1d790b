"""How much a tenant uses of what it may use."""
