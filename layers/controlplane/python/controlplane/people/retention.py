"""How long what is over stays."""

from datetime import timedelta

# Longer than any token of theirs lives: without its record a principal would have nothing revoked.
PRINCIPAL_LIFETIME = timedelta(days=7)
# Revoked keys are shown so long.
REVOKED_KEY_LIFETIME = timedelta(days=90)
