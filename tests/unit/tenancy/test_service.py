"""Who may call, for which tenant, and until when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.errors import ForbiddenError, MfaRequiredError, UnauthenticatedError
from controlplane.identifiers import revocation_mark
from controlplane.tenancy.model import (
    USABLE,
    Admission,
    Principal,
    PrincipalKind,
    PrincipalRecord,
    PrincipalStatus,
    Role,
    Scope,
    Tenant,
    TenantStatus,
)
from controlplane.tenancy.service import (
    admit_platform_admin,
    admit_principal,
    require_unrevoked,
)
from tests.fakes import Clock, MemoryAccess

ACME, GLOBEX = Tenant(tenant_id="acme"), Tenant(tenant_id="globex")
ADA = Principal("ada-sub", "ada", "acme", frozenset({Role.DEVELOPER}), issued_at=1000)
ROOT = Principal("root-sub", "root", None, frozenset({Role.PLATFORM_ADMIN}), issued_at=1000)


def test_the_tenant_is_the_tokens_whatever_is_named() -> None:
    access = MemoryAccess(ACME, GLOBEX)

    assert admit_principal(ADA, None, access=access) == Admission(ADA, ACME)
    assert admit_principal(ADA, "globex", access=access).tenant == ACME


def test_a_platform_administrator_names_the_tenant() -> None:
    access = MemoryAccess(ACME, GLOBEX)

    assert admit_principal(ROOT, "globex", access=access) == Admission(ROOT, GLOBEX)
    with pytest.raises(ForbiddenError, match="X-Tenant-Id"):
        admit_principal(ROOT, None, access=access)


def test_a_platform_administrators_own_tenant_does_not_stand_in() -> None:
    with pytest.raises(ForbiddenError):
        admit_principal(replace(ROOT, tenant_id="acme"), None, access=MemoryAccess(ACME))


def test_who_belongs_to_no_tenant_gets_in_nowhere() -> None:
    stranger = replace(ADA, tenant_id=None)

    with pytest.raises(ForbiddenError, match="no tenant"):
        admit_principal(stranger, "acme", access=MemoryAccess(ACME))


def test_a_tenant_that_is_not_there_is_refused() -> None:
    with pytest.raises(ForbiddenError, match="acme"):
        admit_principal(ADA, None, access=MemoryAccess(GLOBEX))


@pytest.mark.parametrize(("issued_at", "admitted"), [(1999, False), (2000, True)])
def test_older_tokens_are_refused_after_a_revocation(issued_at: int, admitted: bool) -> None:
    of_tenant = MemoryAccess(ACME.model_copy(update={"revoked_before": 2000}))
    of_principal = MemoryAccess(ACME)
    of_principal.revoke("ada-sub", 2000)
    caller = replace(ADA, issued_at=issued_at)

    for access in (of_tenant, of_principal):
        if admitted:
            assert admit_principal(caller, None, access=access).tenant.tenant_id == "acme"
        else:
            with pytest.raises(UnauthenticatedError) as refused:
                admit_principal(caller, None, access=access)
            assert refused.value.remedy


def test_a_tenants_revocation_does_not_lock_the_platform_out() -> None:
    access = MemoryAccess(ACME.model_copy(update={"revoked_before": 2000}))

    assert admit_principal(ROOT, "acme", access=access)
    access.revoke("root-sub", 2000)
    assert admit_principal(ROOT, "acme", access=access)
    access.platform["root-sub"] = PrincipalRecord(revoked_before=2000)
    with pytest.raises(UnauthenticatedError):
        admit_principal(ROOT, "acme", access=access)
    with pytest.raises(UnauthenticatedError):
        admit_platform_admin(ROOT, access=access)


def test_nobody_else_gets_in_to_the_platform() -> None:
    assert admit_platform_admin(ROOT, access=MemoryAccess()) == ROOT
    with pytest.raises(ForbiddenError):
        admit_platform_admin(ADA, access=MemoryAccess())


@pytest.mark.parametrize("status", sorted(set(TenantStatus) - USABLE))
def test_a_tenant_in_the_making_or_gone_lets_nobody_of_its_own_in(status: TenantStatus) -> None:
    access = MemoryAccess(ACME.model_copy(update={"status": status}))

    with pytest.raises(ForbiddenError, match=status.value.lower()):
        admit_principal(ADA, None, access=access)
    assert admit_principal(ROOT, "acme", access=access)


def test_a_disabled_principal_is_refused_however_new_its_token_is() -> None:
    access = MemoryAccess(ACME)
    access.principals["ada-sub"] = PrincipalRecord(status=PrincipalStatus.DISABLED)

    with pytest.raises(UnauthenticatedError):
        admit_principal(replace(ADA, issued_at=2**40), None, access=access)


def test_a_key_ends_with_its_validity(clock: Clock) -> None:
    access = MemoryAccess(ACME)
    end = int(clock.now().timestamp()) + 60
    access.principals["ada-sub"] = PrincipalRecord(kind=PrincipalKind.KEY, valid_until=end)

    assert admit_principal(ADA, None, access=access)
    clock.advance(60)
    with pytest.raises(UnauthenticatedError):
        admit_principal(ADA, None, access=access)


def test_a_role_counts_if_both_token_and_record_have_it() -> None:
    access = MemoryAccess(ACME)
    caller = replace(ADA, roles=frozenset({Role.TENANT_ADMIN, Role.VIEWER}))
    access.principals["ada-sub"] = PrincipalRecord(roles=(Role.VIEWER, Role.DEVELOPER))
    demoted = admit_principal(caller, None, access=access).principal
    access.principals["ada-sub"] = PrincipalRecord(revoked_before=1)
    unspoken = admit_principal(caller, None, access=access).principal

    assert demoted.roles == {Role.VIEWER}
    assert unspoken.roles == caller.roles


def test_a_key_acts_under_its_own_name_and_within_its_scopes() -> None:
    access = MemoryAccess(ACME)
    access.principals["ada-sub"] = PrincipalRecord(
        kind=PrincipalKind.KEY, name="k1", machine="ci", scopes=(Scope.READ,)
    )
    principal = admit_principal(ADA, None, access=access).principal

    assert (principal.actor, principal.machine) == ("key:k1", "ci")
    assert principal.scopes == frozenset({Scope.READ})
    assert ADA.scopes is None
    assert ADA.actor == "user:ada-sub"


def test_who_lacks_the_second_factor_is_told_so() -> None:
    with pytest.raises(MfaRequiredError) as refused:
        admit_principal(
            replace(ADA, tenant_id=None, refusal="mfa_required"), None, access=MemoryAccess(ACME)
        )
    assert refused.value.remedy


@given(microseconds=st.integers(0, 4_000_000_000_000_000))
def test_a_revocation_ends_every_token_issued_up_to_it(microseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    mark, issued_at = revocation_mark(moment), int(moment.timestamp())
    record = PrincipalRecord(revoked_before=mark)

    with pytest.raises(UnauthenticatedError):
        require_unrevoked(replace(ADA, issued_at=issued_at), record)
    require_unrevoked(replace(ADA, issued_at=issued_at + 1), record)


def test_a_suspended_tenant_is_let_in_to() -> None:
    """What may be done there the policies say."""
    suspended = ACME.model_copy(update={"status": TenantStatus.SUSPENDED})

    assert admit_principal(ADA, None, access=MemoryAccess(suspended)).tenant == suspended


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.PLATFORM_ADMIN}))
def test_only_a_platform_administrator_is_let_in_to_the_platform(role: Role) -> None:
    with pytest.raises(ForbiddenError) as refused:
        admit_platform_admin(replace(ADA, roles=frozenset({role})), access=MemoryAccess())
    assert refused.value.remedy
