"""A warm function asks once in five seconds, and a revocation is effective after them."""

import pytest

from controlplane.runtime import access_cache
from controlplane.runtime.access_cache import LIFETIME_SECONDS, MAX_ENTRIES, CachedAccess
from controlplane.tenancy.model import PrincipalRecord, Tenant
from tests.fakes import MemoryAccess


class Ticks:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks()
    monkeypatch.setattr(access_cache, "time", ticks)
    return ticks


def test_it_asks_once_while_the_answer_is_fresh(ticks: Ticks) -> None:
    behind = MemoryAccess(Tenant(tenant_id="acme"))
    cached = CachedAccess(behind)
    for _ in range(3):
        assert cached.get_access("acme", "ada")
        ticks.seconds += LIFETIME_SECONDS / 4

    assert behind.reads == 1


def test_a_revocation_is_effective_before_five_seconds_are_over(ticks: Ticks) -> None:
    behind = MemoryAccess(Tenant(tenant_id="acme"))
    cached = CachedAccess(behind)
    cached.get_access("acme", "ada")
    behind.revoke("ada", 2000)
    ticks.seconds += LIFETIME_SECONDS - 0.1
    fresh = cached.get_access("acme", "ada")
    ticks.seconds += 0.1
    renewed = cached.get_access("acme", "ada")

    assert fresh is not None
    assert renewed is not None
    assert fresh.principal is None
    assert renewed.principal == PrincipalRecord(revoked_before=2000)
    assert LIFETIME_SECONDS < 5


def test_what_is_not_there_is_asked_for_again(ticks: Ticks) -> None:
    behind = MemoryAccess()
    cached = CachedAccess(behind)
    assert cached.get_access("acme", "ada") is None
    behind.tenants["acme"] = Tenant(tenant_id="acme")

    assert cached.get_access("acme", "ada") is not None


def test_a_tenant_that_has_gone_is_forgotten(ticks: Ticks) -> None:
    behind = MemoryAccess(Tenant(tenant_id="acme"))
    cached = CachedAccess(behind)
    cached.get_access("acme", "ada")
    behind.tenants.clear()
    ticks.seconds += LIFETIME_SECONDS

    assert cached.get_access("acme", "ada") is None


def test_one_principals_answer_is_not_anothers(ticks: Ticks) -> None:
    behind = MemoryAccess(Tenant(tenant_id="acme"), Tenant(tenant_id="globex"))
    behind.revoke("bob", 2000)
    cached = CachedAccess(behind)
    answers = [
        cached.get_access(tenant, subject)
        for tenant, subject in [("acme", "ada"), ("acme", "bob"), ("globex", "ada")]
    ]

    assert behind.reads == 3
    assert [a and (a.tenant.tenant_id, a.principal) for a in answers] == [
        ("acme", None),
        ("acme", PrincipalRecord(revoked_before=2000)),
        ("globex", None),
    ]


def test_platform_administrators_are_remembered_alike_known_or_not(ticks: Ticks) -> None:
    behind = MemoryAccess()
    cached = CachedAccess(behind)
    assert cached.find_platform_principal("root") is None
    behind.platform["root"] = PrincipalRecord(revoked_before=2000)
    assert cached.find_platform_principal("root") is None
    assert behind.reads == 1
    ticks.seconds += LIFETIME_SECONDS

    assert cached.find_platform_principal("root") == PrincipalRecord(revoked_before=2000)


def test_it_does_not_grow_without_end(ticks: Ticks) -> None:
    behind = MemoryAccess(Tenant(tenant_id="acme"))
    cached = CachedAccess(behind)
    for number in range(MAX_ENTRIES + 1):
        cached.get_access("acme", f"principal-{number}")
    cached.get_access("acme", f"principal-{MAX_ENTRIES}")
    assert behind.reads == MAX_ENTRIES + 1
    cached.get_access("acme", "principal-0")

    assert behind.reads == MAX_ENTRIES + 2
