"""One example of a request of each operation: names for the parameters in paths, and bodies by operation id."""

from typing import Any

from tests.functions.api_calls import Operation
from tests.functions.scenario import FILES, manifest_of

NAMES = {
    "project": "vision",
    "model": "digits",
    "version": "1",
    "alias": "staging",
    "signing_key": "release",
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
    "webhook": "pager",
    "delivery": "d-0123456789abcdef0123",
}
# The first keys of RFC 8032's test vectors.
PUBLIC_KEYS = (
    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
    "/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=",
)
PUBLIC_KEY = PUBLIC_KEYS[0]
RESTRICTION = 'forbid (principal is Key, action in Action::"deploy", resource);'
BODIES: dict[str, Any] = {
    "createProject": {"name": "another"},
    "createUpload": manifest_of(FILES),
    "changeModel": {"tags": {"team": "vision"}},
    "changeVersion": {"tags": {"team": "vision"}, "metrics": {"accuracy": 0.97}},
    "putCard": {"text": "Recognises digits."},
    "approveVersion": {"reason": "looks well"},
    "rejectVersion": {"reason": "of the wrong data"},
    "moveAlias": {"version": 1},
    "moveAliases": {"aliases": {"champion": 1, "previous": 1}},
    "putRegistryPolicy": {"approval_required": True},
    "createSigningKey": {"name": "release", "public_key": PUBLIC_KEY},
    "createRollout": {"version": 1},
    "planRollout": {"version": 1},
    "putServingPolicy": {"auto_deploy": False},
    "createDeployment": {"name": "another", "model": "digits"},
    "putDeploymentSettings": {"autoscaling": {"min_replicas": 1, "max_replicas": 3}},
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
    "createWebhook": {"name": "pager", "url": "https://hooks.example.com/headrace"},
    "changeWebhook": {"events": ["RolloutEnded"]},
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
