"""Where that lies what a project has beside its models and deployments, and what goes with it."""

from controlplane.adapters.dynamodb_table import Key, project_partition


def registry_policy_key(tenant_id: str, project: str) -> Key:
    return Key(project_partition(tenant_id, project), "REGISTRYPOLICY")


def serving_policy_key(tenant_id: str, project: str) -> Key:
    return Key(project_partition(tenant_id, project), "SERVINGPOLICY")


def signing_key_key(tenant_id: str, project: str, name: str) -> Key:
    return Key(project_partition(tenant_id, project), f"SIGNINGKEY#{name}")


def revoked_keys_key(tenant_id: str, project: str) -> Key:
    """One item that is read with a version to be judged, whoever signed it."""
    return Key(project_partition(tenant_id, project), "REVOKEDSIGNINGKEYS")
