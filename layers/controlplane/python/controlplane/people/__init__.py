"""The people and machines of a tenant, their roles and keys."""
