"""One example of a request of each operation: names for the parameters in paths, and bodies by operation id."""

from typing import Any

from tests.functions.api_calls import Operation
from tests.functions.scenario import FILES, manifest_of

NAMES = {
    "project": "vision",
    "model": "digits",
    "version": "1",
    "upload": "u-1",
    "deployment": "digits",
    "rollout": "r-00000000",
    "policy": "freeze",
    "tenant": "acme",
    "tier": "gold",
    "group": "research",
    "subscriber": "tenant",
    "person": "ada",
    "machine": "ci",
    "key": "k0123456789ab",
}
RESTRICTION = 'forbid (principal is Key, action in Action::"deploy", resource);'
BODIES: dict[str, Any] = {
    "createProject": {"name": "another"},
    "createUpload": manifest_of(FILES),
    "createRollout": {"version": 1},
    "createPolicy": {"name": "another", "text": RESTRICTION},
    "changePolicy": {"enabled": False},
    "validatePolicy": {"text": RESTRICTION},
    "createTenant": {
        "tenant": "initech",
        "display_name": "Initech",
        "tier": "standard",
        "administrator": {"name": "ada", "email": "ada@initech.example"},
    },
    "changeTenant": {"display_name": "Acme"},
    "suspendTenant": {"serving": "keep", "reason": "an example"},
    "createTier": {"name": "gold", "level": 10},
    "changeTier": {"level": 11},
    "putSubscription": {"tier": "standard"},
    "invitePerson": {"name": "ada", "email": "ada@acme.example", "roles": ["viewer"]},
    "changePerson": {"roles": ["developer"]},
    "createMachine": {"name": "ci"},
    "createKey": {"machine": "ci", "scopes": ["read"]},
    "revokeKeys": {"dry_run": True},
    "createToken": {"api_key": "hr_acme_k0123456789ab_nobodys"},
}


def path_of(operation: Operation, **names: str) -> str:
    """The operation's path with the examples' names in it, or others."""
    return operation.path.format(**NAMES | names)


def body_of(operation: Operation) -> Any:
    """None for an operation that takes no body."""
    if not operation.takes_body:
        return None
    assert operation.id in BODIES, f"{operation.id} needs an example of its body"
    return BODIES[operation.id]
