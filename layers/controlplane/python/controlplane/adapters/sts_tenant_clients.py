"""Sessions of tenants that are open, and the clients that were made with them: one each a tenant and a container."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from controlplane.adapters.sts_tenant_sessions import Credentials, TenantSession
from controlplane.errors import ThrottledError, UnavailableError
from controlplane.identifiers import now

# A session is renewed this long before it ends, since presigned requests are good for no longer than what signed them
# (registry.service.UPLOAD_LIFETIME). When STS has none to give, the old one serves on while it lasts, and STS is asked
# again after the pause.
REFRESH_BEFORE = timedelta(minutes=45)
PAUSE = timedelta(seconds=20)
MAX_TENANTS = 64

C = TypeVar("C")


@dataclass
class _Open:
    session: TenantSession
    refresh_at: datetime


class OpenSessions:
    """The session of each tenant, the least recently used given up first."""

    def __init__(
        self, open_session: Callable[[str], TenantSession], max_tenants: int = MAX_TENANTS
    ) -> None:
        self._open_session = open_session
        self._max_tenants = max_tenants
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def of(self, tenant_id: str) -> TenantSession:
        """Raises what opening a session raises, unless one is left that still works."""
        found, moment = self._open.get(tenant_id), now()
        if found is None or moment >= found.refresh_at:
            found = self._renewed(tenant_id, found, moment)
            self._open[tenant_id] = found
        self._open.move_to_end(tenant_id)
        while len(self._open) > self._max_tenants:
            self._open.popitem(last=False)
        return found.session

    def _renewed(self, tenant_id: str, old: _Open | None, moment: datetime) -> _Open:
        try:
            session = self._open_session(tenant_id)
        except (ThrottledError, UnavailableError):
            if old is None or moment + PAUSE >= old.session.expires_at:
                raise
            return _Open(old.session, moment + PAUSE)
        return _Open(session, session.expires_at - REFRESH_BEFORE)


class TenantClients(Generic[C]):
    """Clients of one service; `connect` makes one of a session's credentials."""

    def __init__(
        self,
        sessions: OpenSessions,
        connect: Callable[[Credentials], C],
        max_tenants: int = MAX_TENANTS,
    ) -> None:
        self._sessions = sessions
        self._connect = connect
        self._max_tenants = max_tenants
        self._clients: OrderedDict[str, tuple[TenantSession, C]] = OrderedDict()

    def of(self, tenant_id: str) -> C:
        """The tenant's client, made anew with each of its sessions. Raises what OpenSessions raises."""
        session = self._sessions.of(tenant_id)
        made = self._clients.get(tenant_id)
        if made is None or made[0] is not session:
            made = session, self._connect(session.credentials)
            self._clients[tenant_id] = made
        self._clients.move_to_end(tenant_id)
        while len(self._clients) > self._max_tenants:
            self._clients.popitem(last=False)
        return made[1]
