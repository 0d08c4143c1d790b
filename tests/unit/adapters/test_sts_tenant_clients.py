"""Which session serves a call: renewed in time, kept when STS has none to give, forgotten when there are many."""

from collections import Counter
from datetime import timedelta
from itertools import count

import pytest

from controlplane.adapters.sts_tenant_clients import (
    PAUSE,
    REFRESH_BEFORE,
    OpenSessions,
    TenantClients,
)
from controlplane.adapters.sts_tenant_sessions import Credentials, TenantSession
from controlplane.errors import ThrottledError, UnavailableError
from controlplane.identifiers import now
from controlplane.registry.service import UPLOAD_LIFETIME
from tests.fakes import Clock

LIFETIME = timedelta(hours=1)


class Sts:
    """Grants sessions of an hour; `fault` is raised instead while it is set."""

    def __init__(self) -> None:
        self.granted: Counter[str] = Counter()
        self.asked = 0
        self.fault: Exception | None = None
        self._numbers = count(1)

    def open_session(self, tenant_id: str) -> TenantSession:
        self.asked += 1
        if self.fault:
            raise self.fault
        self.granted[tenant_id] += 1
        key = f"{tenant_id}-{next(self._numbers)}"
        return TenantSession(Credentials(key, "secret", "token"), now() + LIFETIME)


@pytest.fixture
def sts() -> Sts:
    return Sts()


@pytest.fixture
def clients(sts: Sts, clock: Clock) -> TenantClients[str]:
    """A client is known by the access key that it was made with."""
    return TenantClients(OpenSessions(sts.open_session), lambda given: given.access_key_id)


def test_each_tenant_has_a_session_of_its_own_asked_for_once(
    clients: TenantClients[str], sts: Sts
) -> None:
    made = [clients.of(tenant) for tenant in ("acme", "globex", "acme", "globex")]

    assert made == ["acme-1", "globex-2", "acme-1", "globex-2"]
    assert sts.granted == {"acme": 1, "globex": 1}


def test_session_is_renewed_before_it_ends(
    clients: TenantClients[str], sts: Sts, clock: Clock
) -> None:
    unchanged = (LIFETIME - REFRESH_BEFORE).total_seconds()
    clients.of("acme")
    clock.advance(unchanged - 1)
    assert clients.of("acme") == "acme-1"
    clock.advance(1)

    assert clients.of("acme") == "acme-2"
    assert clients.of("acme") == "acme-2"


def test_what_signs_an_upload_outlives_it() -> None:
    assert REFRESH_BEFORE >= UPLOAD_LIFETIME


@pytest.mark.parametrize("fault", [UnavailableError("down"), ThrottledError("slow down")])
def test_session_serves_on_while_sts_has_none_to_give(
    clients: TenantClients[str], sts: Sts, clock: Clock, fault: Exception
) -> None:
    clients.of("acme")
    sts.fault = fault
    clock.advance((LIFETIME - REFRESH_BEFORE).total_seconds())

    assert [clients.of("acme") for _ in range(5)] == ["acme-1"] * 5
    assert sts.asked == 2  # asked once, and not at each call
    clock.advance(PAUSE.total_seconds())
    clients.of("acme")
    assert sts.asked == 3
    sts.fault = None
    clock.advance(PAUSE.total_seconds())
    assert clients.of("acme") == "acme-2"


def test_session_that_has_ended_serves_nobody(
    clients: TenantClients[str], sts: Sts, clock: Clock
) -> None:
    clients.of("acme")
    sts.fault = UnavailableError("down")
    clock.advance(LIFETIME.total_seconds())

    with pytest.raises(UnavailableError):
        clients.of("acme")


def test_fault_of_the_deployment_is_not_hidden_by_an_old_session(
    clients: TenantClients[str], sts: Sts, clock: Clock
) -> None:
    clients.of("acme")
    sts.fault = RuntimeError("refused")
    clock.advance(LIFETIME.total_seconds())

    with pytest.raises(RuntimeError, match="refused"):
        clients.of("acme")


def test_least_recently_used_tenant_is_forgotten(sts: Sts, clock: Clock) -> None:
    sessions = OpenSessions(sts.open_session, max_tenants=2)
    clients = TenantClients(sessions, lambda given: given.access_key_id, max_tenants=2)
    for tenant in ("acme", "globex", "acme", "initech"):
        clients.of(tenant)

    assert clients.of("acme") == "acme-1"
    assert clients.of("initech") == "initech-3"
    assert clients.of("globex") == "globex-4"
    assert len(sessions._open) == len(clients._clients) == 2
