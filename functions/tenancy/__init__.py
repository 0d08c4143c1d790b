"""Entry points of the tenancy."""
