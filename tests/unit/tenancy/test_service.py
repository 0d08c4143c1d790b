"""Who may call, for which tenant, and until when."""

from dataclasses import replace

import pytest

from controlplane.errors import ForbiddenError, UnauthenticatedError
from controlplane.tenancy.model import (
    READERS,
    WRITERS,
    Membership,
    Principal,
    Role,
    Tenant,
    TenantStatus,
)
from controlplane.tenancy.service import admit_principal, find_membership, require_active
from tests.fakes import MemoryAccess, MemoryMemberships

ACME, GLOBEX = Tenant(tenant_id="acme"), Tenant(tenant_id="globex")
ADA = Principal("ada-sub", "ada", "acme", frozenset({Role.DEVELOPER}), issued_at=1000)
ROOT = Principal("root-sub", "root", None, frozenset({Role.PLATFORM_ADMIN}), issued_at=1000)


def test_the_tenant_is_the_tokens_whatever_is_named() -> None:
    access = MemoryAccess(ACME, GLOBEX)

    assert admit_principal(ADA, None, access=access) == ACME
    assert admit_principal(ADA, "globex", access=access) == ACME


def test_a_platform_administrator_names_the_tenant() -> None:
    access = MemoryAccess(ACME, GLOBEX)

    assert admit_principal(ROOT, "globex", access=access) == GLOBEX
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
    of_principal.revoked_before["ada-sub"] = 2000
    caller = replace(ADA, issued_at=issued_at)

    for access in (of_tenant, of_principal):
        if admitted:
            assert admit_principal(caller, None, access=access).tenant_id == "acme"
        else:
            with pytest.raises(UnauthenticatedError) as refused:
                admit_principal(caller, None, access=access)
            assert refused.value.remedy


def test_a_tenants_revocation_does_not_lock_the_platform_out() -> None:
    access = MemoryAccess(ACME.model_copy(update={"revoked_before": 2000}))

    assert admit_principal(ROOT, "acme", access=access)
    access.revoked_before["root-sub"] = 2000
    with pytest.raises(UnauthenticatedError):
        admit_principal(ROOT, "acme", access=access)


def test_a_suspended_tenant_can_be_read_but_not_changed() -> None:
    suspended = ACME.model_copy(update={"status": TenantStatus.SUSPENDED})

    assert admit_principal(ADA, None, access=MemoryAccess(suspended)) == suspended
    with pytest.raises(ForbiddenError, match="suspended") as refused:
        require_active(suspended)
    assert refused.value.remedy
    require_active(ACME)


@pytest.mark.parametrize("role", Role)
def test_who_may_read_and_who_may_write(role: Role) -> None:
    caller = replace(ADA, roles=frozenset({role}))

    caller.require(READERS)
    if role is Role.VIEWER:
        with pytest.raises(ForbiddenError) as refused:
            caller.require(WRITERS)
        assert "developer" in str(refused.value)
        assert refused.value.remedy
    else:
        caller.require(WRITERS)


def test_who_has_no_role_may_nothing() -> None:
    with pytest.raises(ForbiddenError):
        replace(ADA, roles=frozenset()).require(READERS)


def test_a_membership_becomes_claims() -> None:
    ada = Membership(subject="s", tenant_id="acme", roles=(Role.DEVELOPER, Role.VIEWER))
    root = Membership(subject="r", roles=(Role.PLATFORM_ADMIN,))
    memberships = MemoryMemberships(ada, root)

    assert find_membership("s", memberships=memberships) == ada
    assert find_membership("nobody", memberships=memberships) is None
    assert ada.claims() == {"roles": "developer viewer", "tenant_id": "acme"}
    assert root.claims() == {"roles": "platform-admin"}
