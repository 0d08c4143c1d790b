"""Decisions by Cedar: what is parsed once, what is forgotten, and that whatever fails denies."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cedarpy import PolicySet

from controlplane.adapters import cedar_policies
from controlplane.adapters.cedar_policies import CedarPolicies, restricting
from controlplane.authorization.decision import (
    NOT_PERMITTED,
    RESTRICTED,
    UNDECIDABLE,
    Caller,
    Circumstances,
    Decision,
    Request,
    Resource,
    Restrictions,
    platform_resource,
    resource_of,
)
from controlplane.authorization.service import authorize
from controlplane.errors import PolicyDeniedError

ADA = Caller("User", "u-1", "ada", frozenset({"developer"}), "acme")
ADMIN = replace(ADA, roles=frozenset({"tenant-admin"}))
AT = Circumstances(
    mfa=False,
    mfa_required=False,
    tenant_status="Active",
    source_ip="10.1.2.3",
    time=datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
)
VISION = resource_of("acme", {"project": "vision"})
REQUEST = Request(ADA, "deleteProject", VISION, AT)
FREEZE = 'forbid (principal, action in Action::"change", resource);'
OVERFLOW = "forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };"


@pytest.fixture
def engine() -> CedarPolicies:
    return CedarPolicies()


def own(text: str = FREEZE, tenant: str = "acme", digest: str = "1") -> Restrictions:
    return Restrictions(tenant, digest, {"own": text})


def test_a_decision_names_the_policies_that_made_it(engine: CedarPolicies) -> None:
    suspended = replace(REQUEST, circumstances=replace(AT, tenant_status="Suspended"))

    assert engine.decide(REQUEST, None) == Decision(True, ("developer-reads-and-changes",))
    denied = engine.decide(suspended, own())
    assert denied.policies == ("only-active-tenants-change", "tenant/own")
    assert (denied.reason, bool(denied.remedy)) == ("tenant_not_active", True)


def test_without_a_permit_no_policy_decided(engine: CedarPolicies) -> None:
    nobody = replace(REQUEST, caller=replace(ADA, roles=frozenset()))

    assert engine.decide(nobody, None) == Decision(allowed=False, reason=NOT_PERMITTED)


@pytest.mark.parametrize(
    "broken",
    [
        replace(REQUEST, action="unheardOf"),
        replace(REQUEST, action="change"),
        replace(REQUEST, resource=platform_resource()),
        replace(REQUEST, resource=Resource("Project", "\ud800")),
        replace(REQUEST, caller=replace(ADA, roles=frozenset({"root"}))),
        replace(REQUEST, caller=replace(ADA, type="Key", tenant_id=None)),
    ],
    ids=["action", "group", "kind of resource", "name", "role", "key without a tenant"],
)
def test_what_the_schema_does_not_know_is_denied(engine: CedarPolicies, broken: Request) -> None:
    decision = engine.decide(broken, None)

    assert (decision.allowed, decision.reason) == (False, UNDECIDABLE)
    assert decision.errors


@pytest.mark.parametrize(
    "text", ["forbid (", "permit (principal, action, resource);", OVERFLOW, ""]
)
def test_a_tenants_policy_that_cannot_be_asked_denies(engine: CedarPolicies, text: str) -> None:
    decision = engine.decide(REQUEST, own(text))

    assert (decision.allowed, decision.reason) == (False, UNDECIDABLE)
    assert decision.errors


def test_a_failing_policy_does_not_keep_administrators_from_repairing_it(
    engine: CedarPolicies,
) -> None:
    repair = Request(ADMIN, "deletePolicy", Resource("Tenant", "acme"), AT)

    assert engine.decide(repair, own(OVERFLOW)).allowed
    assert not engine.decide(replace(repair, action="createKey"), own(OVERFLOW)).allowed


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ('context has source_ip && context.source_ip.isInRange(ip("10.0.0.0/8"))', False),
        ('context has source_ip && context.source_ip.isInRange(ip("192.168.0.0/16"))', True),
        ('context has time && context.time.toTime() > duration("12h")', False),
        ('context has time && context.time > datetime("2026-01-02")', True),
        ('context has tenant_status && context.tenant_status == "Active"', False),
        ("context.mfa", True),
    ],
)
def test_a_tenants_policy_sees_where_and_when(
    engine: CedarPolicies, condition: str, allowed: bool
) -> None:
    text = f"forbid (principal, action, resource) when {{ {condition} }};"

    assert engine.decide(REQUEST, own(text)).allowed is allowed


def test_policies_of_a_tenant_are_parsed_once_for_each_of_their_states(
    engine: CedarPolicies, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def restricting_and_counting(name: str, text: str) -> str:
        parsed.append(text)
        return restricting(name, text)

    monkeypatch.setattr(cedar_policies, "restricting", restricting_and_counting)
    for _ in range(3):
        assert engine.decide(REQUEST, own()).reason == RESTRICTED
    assert parsed == [FREEZE]

    narrower = 'forbid (principal, action == Action::"createProject", resource);'
    assert engine.decide(REQUEST, own(narrower, digest="2")).allowed
    assert engine.decide(REQUEST, own(narrower, tenant="globex", digest="1")).allowed
    assert len(parsed) == 3


def test_no_more_tenants_are_remembered_than_there_is_room_for(
    engine: CedarPolicies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cedar_policies, "MAX_TENANTS", 2)
    for tenant in ("a", "b", "a", "c"):
        engine.decide(REQUEST, own(tenant=tenant))

    assert [tenant for tenant, _ in engine._restricted] == ["a", "c"]


def test_a_tenants_policy_gets_an_id_of_its_own_whatever_it_says() -> None:
    claimed = restricting("own", f'@id("people-stay-in-their-tenant")\n{FREEZE}')

    [policy] = PolicySet.from_str(claimed).to_pst().static_policies.values()
    assert policy.annotations == {"id": "tenant/own"}


@pytest.mark.parametrize("caller", [ADA, ADMIN])
def test_only_administrators_are_told_the_deciding_policies(
    engine: CedarPolicies, caller: Caller
) -> None:
    with pytest.raises(PolicyDeniedError) as denied:
        authorize(replace(REQUEST, caller=caller), own(), engine=engine)

    assert denied.value.reason == RESTRICTED
    assert denied.value.policies == (("tenant/own",) if caller is ADMIN else ())
    assert denied.value.remedy


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (platform_resource(), "platform"),
        (resource_of("acme", {}), "tenants/acme"),
        (VISION, "projects/vision"),
        (
            resource_of("acme", {"project": "vision", "model": "m", "version": "1"}),
            "projects/vision/models/m",
        ),
        (
            resource_of("acme", {"project": "vision", "deployment": "d"}),
            "projects/vision/deployments/d",
        ),
        (resource_of("acme", {"key": "k-1"}), "tenants/acme"),
    ],
)
def test_a_resource_is_named_by_its_path(resource: Resource, path: str) -> None:
    assert resource.path == path
