"""The life of a tenant: it is made in one call, suspended, activated, and taken away without a trace."""
