"""Generated callers and policies of tenants, and every request that such a caller could make."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cedarpy import Entities, Schema
from hypothesis import strategies as st

from controlplane.adapters.cedar_policies import CedarPolicies, schema_text
from controlplane.authorization.decision import (
    UNDECIDABLE,
    Caller,
    Circumstances,
    Request,
    Resource,
    Restrictions,
    platform_resource,
    resource_of,
)
from controlplane.requests import digest
from controlplane.tenancy.model import Role, Scope, TenantStatus

ENGINE = CedarPolicies()
TENANTS = ("acme", "globex", "acme-labs", "a")
FOUND = json.loads(str(Entities.from_json_str("[]", Schema.from_str(schema_text()))))
# Groups too: nobody may carry out a group.
ACTIONS = sorted(entity["uid"]["id"] for entity in FOUND)
SAFEGUARDED = frozenset(
    entity["uid"]["id"]
    for entity in FOUND
    if any(parent["id"] == "safeguard" for parent in entity["parents"])
)

tenants = st.sampled_from(TENANTS)
roles = st.frozensets(st.sampled_from([role.value for role in Role]), max_size=3)
users = st.builds(
    Caller,
    type=st.just("User"),
    id=st.sampled_from(["u-1", "anonymous", "acme", 'a"b\\']),
    name=st.sampled_from(["ada", "bob", "", "ünï"]),
    roles=roles,
    tenant_id=st.one_of(st.none(), tenants, tenants),
)
keys = st.builds(
    Caller,
    type=st.just("Key"),
    id=st.sampled_from(["k-1", "acme"]),
    name=st.sampled_from(["k-1", "a"]),
    roles=st.one_of(st.just(frozenset({"service"})), roles),
    tenant_id=tenants,
    machine=st.sampled_from(["ci", "notebook"]),
    scopes=st.frozensets(st.sampled_from([scope.value for scope in Scope])),
)
callers = st.one_of(users, keys)
circumstances = st.builds(
    Circumstances,
    mfa=st.booleans(),
    mfa_required=st.booleans(),
    tenant_status=st.one_of(
        st.just("Active"),
        st.sampled_from([None, "Unheard-of", *(status.value for status in TenantStatus)]),
    ),
    source_ip=st.sampled_from(["10.1.2.3", "203.0.113.9", "2001:db8::1"]),
    time=st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2077, 7, 7, 7, tzinfo=UTC)]),
)


def resource_at(tenant: str, parts: tuple[str, ...] | None, name: str) -> Resource:
    """The resource of a path with these parameters; without any path, the platform."""
    if parts is None:
        return platform_resource()
    return resource_of(tenant, dict.fromkeys(parts, name))


PATHS: tuple[tuple[str, ...] | None, ...] = (
    None,
    (),
    ("project",),
    ("project", "model"),
    ("project", "deployment"),
)


def _fits(action: str, parts: tuple[str, ...] | None) -> bool:
    """Whether the schema lets the action be about such a resource: it does not answer about others."""
    caller = Caller("User", "u-1", "ada", frozenset(), "acme")
    at = Circumstances(
        mfa=True, mfa_required=False, tenant_status=None, source_ip="", time=datetime.now(UTC)
    )
    request = Request(caller, action, resource_at("acme", parts, "v"), at)
    return ENGINE.decide(request, None).reason != UNDECIDABLE


FITTING = {action: [parts for parts in PATHS if _fits(action, parts)] for action in ACTIONS}


def every_request(caller: Caller, at: Circumstances) -> Iterator[Request]:
    """Each action, in the caller's own tenant and in all others, about each kind of resource that it can be about.

    An action that can be about none is a group: nobody may carry out a group.
    """
    for action in ACTIONS:
        for parts in FITTING[action] or PATHS:
            for tenant in TENANTS if parts is not None else TENANTS[:1]:
                yield Request(caller, action, resource_at(tenant, parts, "vision"), at)


_SCOPES = ("principal", "principal is User", "principal is Key", 'principal in Role::"developer"')
_CONDITIONS = (
    "",
    ' when { principal.name like "a*" }',
    ' when { principal is Key && principal.machine == "ci" }',
    ' unless { principal in Role::"tenant-admin" }',
    " when { context.mfa == false }",
    ' when { context has source_ip && !context.source_ip.isInRange(ip("10.0.0.0/8")) }',
    ' unless { context has time && context.time < datetime("2050-01-01") }',
    " when { 9223372036854775807 + 1 > 0 }",  # overflows when it is asked
)
_PLACES = (
    "resource",
    "resource is Tenant",
    'resource in Tenant::"{tenant}"',
    'resource in Project::"{tenant}/vision"',
)


@st.composite
def policy_texts(draw: st.DrawFn, tenant: str) -> str:
    """A policy that reads well; the checker may still refuse it."""
    action = draw(st.sampled_from(ACTIONS))
    about = draw(
        st.sampled_from(
            ["action", f'action == Action::"{action}"', f'action in Action::"{action}"']
        )
    )
    place = draw(st.sampled_from(_PLACES)).format(tenant=tenant)
    effect = draw(st.sampled_from(["forbid", "forbid", "forbid", "permit"]))
    condition = draw(st.sampled_from(_CONDITIONS))
    return f"{effect} ({draw(st.sampled_from(_SCOPES))}, {about}, {place}){condition};"


def restrictions(tenant: str, policies: Sequence[str]) -> Restrictions:
    named = {f"p{number}": text for number, text in enumerate(policies)}
    return Restrictions(tenant, digest(*policies), named)
