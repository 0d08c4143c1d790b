"""What holds for all callers, all requests and all policies that tenants could write, not for chosen ones alone."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controlplane.adapters.cedar_checker import CedarChecker
from controlplane.authorization.decision import Caller, Circumstances, Request, Resource
from tests.counts import count
from tests.unit.authorization.requests import (
    ENGINE,
    SAFEGUARDED,
    callers,
    circumstances,
    every_request,
    policy_texts,
    restrictions,
)

CHECKER = CedarChecker()
CHANGES = (
    "create",
    "change",
    "delete",
    "cancel",
    "invite",
    "disable",
    "enable",
    "remove",
    "revoke",
)
some = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
few = settings(some, max_examples=8)


def tenant_of(resource: Resource) -> str | None:
    """Told by the name alone, not by the parents that the policies go by."""
    return None if resource.type == "Platform" else resource.id.split("/")[0]


def permitted(caller: Caller, at: Circumstances) -> set[Request]:
    return {asked for asked in every_request(caller, at) if ENGINE.decide(asked, None).allowed}


def what(requests: set[Request]) -> set[tuple[str, Resource]]:
    return {(request.action, request.resource) for request in requests}


@some
@given(callers, circumstances)
def test_nobody_is_permitted_anything_in_another_tenant(caller: Caller, at: Circumstances) -> None:
    foreign = 0
    for request in every_request(caller, at):
        allowed = ENGINE.decide(request, None).allowed
        tenant = tenant_of(request.resource)
        if tenant is not None and caller.tenant_id is None:
            assert not allowed or ("platform-admin" in caller.roles and caller.type == "User")
        elif tenant not in (None, caller.tenant_id):
            foreign += 1
            assert not allowed, request
    count("decisions about another tenant's resources, none permitted", foreign)


@some
@given(callers, circumstances, st.data())
def test_a_policy_of_a_tenant_never_turns_a_denial_into_a_permit(
    caller: Caller, at: Circumstances, data: st.DataObject
) -> None:
    tenant = caller.tenant_id or "acme"
    written = data.draw(st.lists(policy_texts(tenant), min_size=1, max_size=4))
    accepted = [text for text in written if not CHECKER.faults(tenant, text)]
    assert all(text.startswith("forbid") for text in accepted)
    count("policies that tenants could have written", len(written))
    count("policies that tenants could have written: accepted", len(accepted))
    own = restrictions(tenant, accepted)
    for request in every_request(caller, at):
        before, after = ENGINE.decide(request, None), ENGINE.decide(request, own)
        assert before.allowed or not after.allowed, accepted
        count("decisions with and without a tenant's own policies")
        if before.allowed and not after.allowed:
            count("decisions that a tenant's own policy turned into a refusal")


@some
@given(callers, circumstances, st.data())
def test_a_policy_of_a_tenant_has_no_say_in_how_it_is_repaired(
    caller: Caller, at: Circumstances, data: st.DataObject
) -> None:
    """Whatever it says, also one that the checker refuses, or that fails when it is asked."""
    tenant = "acme"
    administrator = replace(
        caller, type="User", tenant_id=tenant, roles=frozenset({"tenant-admin"})
    )
    written = data.draw(st.lists(policy_texts(tenant), min_size=1, max_size=4))
    own = restrictions(tenant, [text for text in written if text.startswith("forbid")])
    for action in SAFEGUARDED:
        request = Request(administrator, action, Resource("Tenant", tenant), at)
        assert ENGINE.decide(request, own) == ENGINE.decide(request, None)


@few
@given(callers, circumstances)
def test_each_role_may_all_that_the_role_below_may(caller: Caller, at: Circumstances) -> None:
    nothing, viewer, developer, administrator = (
        what(permitted(replace(caller, roles=frozenset(roles)), at))
        for roles in ((), ("viewer",), ("developer",), ("tenant-admin",))
    )

    assert nothing <= viewer <= developer <= administrator


@few
@given(callers, circumstances)
def test_a_further_role_takes_nothing_away(caller: Caller, at: Circumstances) -> None:
    before = what(permitted(caller, at))
    for role in ("viewer", "tenant-admin", "service"):
        assert before <= what(permitted(replace(caller, roles=caller.roles | {role}), at))


@few
@given(callers, circumstances)
def test_only_an_active_tenant_is_changed(caller: Caller, at: Circumstances) -> None:
    suspended = replace(at, tenant_status="Suspended")
    for request in permitted(replace(caller, roles=frozenset({"tenant-admin"})), suspended):
        assert request.action == "createToken" or not request.action.startswith(CHANGES), request
