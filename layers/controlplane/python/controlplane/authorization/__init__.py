"""Who may do what: decisions by policies."""
