"""How each operation is called: who asks, for what, with which body.

A request of that number works on an object of its own wherever it would find another one changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local.bench import entities, names
from local.bench.names import numbered

Json = dict[str, Any]
Names = dict[str, str]
_MODEL = "/projects/{project}/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_UPLOADS = "/projects/{project}/models/{model}/uploads"
_DEPLOYMENTS = "/projects/{project}/deployments"
_DEPLOYMENT = f"{_DEPLOYMENTS}/{{deployment}}"
_ROLLOUTS = f"{_DEPLOYMENT}/rollouts"
_MANIFEST = {
    "format": "sklearn",
    "files": [{"path": "model.joblib", "size": 1_000_000, "sha256": "5e" * 32}],
}


_CANARY = {"strategy": {"type": "Canary"}}


@dataclass(frozen=True)
class Asker:
    """Who asks: the verified claims, and headers that say for which tenant."""

    claims: Json
    headers: Json = field(default_factory=dict)


ADMINISTRATOR = Asker(
    {"sub": entities.ADMINISTRATOR, "roles": "tenant-admin", "tenant_id": entities.TENANT}
)
OPERATOR = Asker({"sub": entities.OPERATOR, "roles": "platform-admin"})
OPERATOR_FOR_TENANT = Asker(OPERATOR.claims, {"x-tenant-id": entities.TENANT})


def asker_of(name: str) -> Asker:
    """Tenants and tiers are the platform's, and so is who gets which; all else is the tenant's own."""
    path = name.partition(" ")[2]
    if path.startswith(("/tenants", "/tiers")):
        return OPERATOR
    if path.startswith("/subscriptions/"):
        return OPERATOR_FOR_TENANT
    return ADMINISTRATOR


def member_of(tenant_id: str) -> Asker:
    """An administrator of another tenant."""
    return Asker(ADMINISTRATOR.claims | {"tenant_id": tenant_id})


# What requests ask for that change nothing, or may change it again and again.
FIXED: Names = {
    "project": entities.PROJECT,
    "model": entities.MODEL,
    "version": str(entities.VERSION),
    "alias": entities.ALIAS,
    "upload": entities.UPLOAD,
    "deployment": entities.DEPLOYMENT,
    "rollout": entities.ROLLOUT,
    "person": entities.PERSON,
    "machine": entities.MACHINE,
    "key": entities.API_KEY,
    "policy": entities.POLICY,
    "webhook": entities.WEBHOOK,
    "signing_key": entities.SIGNING_KEY,
    "delivery": entities.DELIVERY,
    "tenant": entities.MANAGED,
    "tier": entities.TIER,
}


def _told(word: str, number: int) -> Names:
    return {"deployment": numbered(word, number)}


# What is removed, or can be changed in that way once only. The offsets keep what one takes from the others.
NUMBERED: dict[str, Callable[[int], Names]] = {
    "DELETE /projects/{project}": lambda n: {"project": numbered("project", n)},
    "DELETE /projects/{project}/deployments/{deployment}": lambda n: {
        "deployment": numbered("deployment", n)
    },
    f"DELETE {_UPLOADS}/{{upload}}": lambda n: {"upload": numbered("upload", n)},
    "DELETE /projects/{project}/models/{model}/versions/{version}": lambda n: {
        "version": str(names.numbered_version(n))
    },
    f"DELETE {_MODEL}/aliases/{{alias}}": lambda n: {"model": numbered("model", n)},
    "DELETE /people/{person}": lambda n: {"person": numbered("person", n)},
    "POST /people/{person}/disable": lambda n: {"person": numbered("person", n + 4)},
    "POST /people/{person}/enable": lambda n: {"person": numbered("locked", n)},
    "DELETE /machines/{machine}": lambda n: {"machine": numbered("machine", n)},
    "DELETE /keys/{key}": lambda n: {"key": names.numbered_key(n + 4)},
    "DELETE /projects/{project}/signing-keys/{signing_key}": lambda n: {
        "signing_key": numbered("signing key", n)
    },
    "DELETE /webhooks/{webhook}": lambda n: {"webhook": numbered("webhook", n)},
    "DELETE /policies/{policy}": lambda n: {"policy": numbered("policy", n)},
    "DELETE /tenants/{tenant}": lambda n: {"tenant": numbered("tenant", n)},
    "POST /tenants/{tenant}/activate": lambda n: {"tenant": numbered("suspended", n)},
    "DELETE /tiers/{tier}": lambda n: {"tier": numbered("tier", n)},
    # A tier takes 100 groups.
    "PUT /tiers/{tier}/groups/{group}": lambda n: {
        "tier": numbered("tier", 4 + n // 50),
        "group": f"n{n}",
    },
    "DELETE /tiers/{tier}/groups/{group}": lambda n: {
        "tier": numbered("mapped tier", n),
        "group": numbered("group", n),
    },
    "PUT /subscriptions/{subscriber}": lambda n: {"subscriber": f"n{n}"},
    "DELETE /subscriptions/{subscriber}": lambda n: {"subscriber": numbered("group", n)},
}
NUMBERED |= {
    f"POST {_ROLLOUTS}/{{rollout}}/{command}": partial(_told, command) for command in names.COMMANDS
}
NUMBERED |= {
    f"POST {_DEPLOYMENT}/stop": partial(_told, "stop"),
    f"POST {_DEPLOYMENT}/resume": partial(_told, "start"),
}
_ADDRESS = "somebody@acme.example"


def _either(unique: str) -> int:
    """A version that the alias does not name yet."""
    return entities.OTHER_VERSION if int(unique) % 2 else entities.VERSION


# By the number as text, which an `Idempotency-Key` stands before.
BODIES: dict[str, Callable[[str], Json]] = {
    "POST /projects": lambda unique: {"name": f"new{unique}"},
    f"POST {_UPLOADS}": lambda _: _MANIFEST,
    f"PATCH {_MODEL}": lambda unique: {"tags": {"n": unique}},
    f"PATCH {_VERSION}": lambda unique: {"tags": {"n": unique}},
    f"PUT {_VERSION}/card": lambda unique: {"text": unique},
    f"POST {_VERSION}/approve": lambda unique: {"reason": unique},
    f"POST {_VERSION}/reject": lambda unique: {"reason": unique},
    f"POST {_MODEL}/aliases": lambda unique: {"aliases": {"champion": _either(unique)}},
    f"PUT {_MODEL}/aliases/{{alias}}": lambda unique: {"version": _either(unique)},
    "PUT /projects/{project}/registry-policy": lambda _: {"gates": [{"gate": "scan_clean"}]},
    f"POST {_ROLLOUTS}": lambda _: {"version": entities.VERSION},
    f"POST {_DEPLOYMENTS}": lambda unique: {"name": f"n{unique}", "model": entities.MODEL},
    f"POST {_DEPLOYMENT}/plan": lambda _: {"version": entities.OTHER_VERSION, "policy": _CANARY},
    f"PUT {_DEPLOYMENT}/settings": lambda unique: {
        "autoscaling": {"max_replicas": 1 + int(unique) % 100}
    },
    "PUT /projects/{project}/serving-policy": lambda unique: {"auto_deploy": int(unique) % 2 == 0},
    "POST /people": lambda unique: {"name": f"n{unique}", "email": _ADDRESS, "roles": ["viewer"]},
    "PATCH /people/{person}": lambda _: {"roles": ["viewer"]},
    "POST /machines": lambda unique: {"name": f"n{unique}"},
    "POST /keys": lambda _: {"machine": entities.MACHINE, "scopes": ["read"]},
    "POST /keys/revoke": lambda unique: {"machine": numbered("machine", int(unique) + 8)},
    "POST /token": lambda _: {"api_key": entities.key_text(entities.API_KEY)[0]},
    # Not enabled: the others' requests would be held to it.
    "POST /policies": lambda unique: {
        "name": f"n{unique}",
        "text": entities.RESTRICTION,
        "enabled": False,
    },
    "POST /projects/{project}/signing-keys": lambda unique: {
        "name": f"n{unique}",
        "public_key": entities.public_key(unique),
    },
    "POST /webhooks": lambda unique: {"name": f"n{unique}", "url": "https://hooks.example.com"},
    "PATCH /webhooks/{webhook}": lambda unique: {"description": unique},
    "POST /policies/validate": lambda _: {"text": entities.RESTRICTION},
    "PATCH /policies/{policy}": lambda unique: {"description": unique},
    "POST /tenants": lambda unique: {
        "tenant": f"new{unique}",
        "display_name": "A new one",
        "tier": entities.TIER,
        "administrator": {"name": "ada", "email": _ADDRESS},
    },
    "PATCH /tenants/{tenant}": lambda unique: {"display_name": f"Globex {unique}"},
    "POST /tenants/{tenant}/suspend": lambda unique: {"serving": "keep", "reason": unique},
    "POST /tiers": lambda unique: {"name": f"new{unique}", "level": 10},
    "PATCH /tiers/{tier}": lambda unique: {"description": unique},
    "PUT /subscriptions/{subscriber}": lambda _: {"tier": entities.TIER},
}


@dataclass(frozen=True)
class Variant:
    """Another way to call an operation, which costs something else. What is None is as in the plain way."""

    label: str
    asker: Asker | None = None
    body: Callable[[int], Json] | None = None
    query: str | None = None


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "GET /overview": (Variant("of the platform", OPERATOR),),
    "GET /limits": (Variant("of groups", query="group=g000001&group=g000002"),),
    "GET /tiers": (Variant("of a group", query="group=g000001"),),
    "GET /audit": (
        Variant("of an actor", query="limit=3&actor=user%3Abench"),
        Variant("of a resource", query="limit=3&resource=projects%2Fvision"),
    ),
    "POST /keys/revoke": (Variant("dry run of all", body=lambda _: {"dry_run": True}),),
    "POST /token": (
        Variant(
            "first of its key",
            body=lambda n: {"api_key": entities.key_text(names.unused_key(n))[0]},
        ),
    ),
}
# Answers that hold presigned requests or temporary credentials: signing costs CPU.
SIGNING = frozenset(
    {
        f"POST {_UPLOADS}",
        "POST /projects/{project}/models/{model}/credentials",
        f"GET {_ROLLOUTS}/{{rollout}}/evidence",
    }
)
# Asks Cognito or S3, by clients of the SDK.
BY_SDK = frozenset({"POST /token", "GET /audit/verification"})
# No POST by what it does: a policy's text is checked, and nothing is asked or changed.
READING = frozenset({"POST /policies/validate", f"POST {_DEPLOYMENT}/plan"})
# A tenant has at most 50 policies and 20 webhooks: of these few can be made.
FEW_OF_A_KIND = frozenset({"POST /policies", "POST /webhooks"})
