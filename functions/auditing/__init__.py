"""Entry points of auditing."""
