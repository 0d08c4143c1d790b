"""Names in the user pool. No name holds a dot, so no tenant can make a user of another's, and none leaks.

A person `ada` of the tenant acme is `acme.ada`, the user of its key k0123456789ab `acme.key.k0123456789ab`.
"""


def person_username(tenant_id: str, name: str) -> str:
    return f"{tenant_id}.{name}"


def key_username(tenant_id: str, key_id: str) -> str:
    return f"{tenant_id}.key.{key_id}"


def tenant_group(tenant_id: str) -> str:
    return f"tenant-{tenant_id}"
