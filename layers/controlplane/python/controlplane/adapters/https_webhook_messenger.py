"""Posts messages to addresses that tenants have chosen, and to no address of ours.

The name is resolved here and now, every address that it has is judged, and the connection goes to one that was judged,
while TLS asks for and checks the certificate of the name. So a name that says something else a moment later gains
nothing. Redirects are not followed, proxies of the environment are not asked, cookies are not kept.
"""

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from http.client import HTTPException
from ipaddress import ip_address
from threading import Timer
from time import monotonic
from typing import Any

from urllib3 import exceptions as urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from controlplane.errors import InvalidRequestError
from controlplane.identifiers import now
from controlplane.webhooks.model import Attempt, AttemptError
from controlplane.webhooks.targets import Address, Target, parse_target, refusal_of

TIMEOUT_SECONDS = 10.0
RESOLVE_SECONDS = 3.0
MAX_ANSWER = 64 * 1024
EXCERPT = 1024
# Of a name's; when one cannot be connected to, the next is tried.
MAX_ADDRESSES = 3
USER_AGENT = "Headrace-Webhooks/1"

Resolver = Callable[[str, int], Sequence[Address]]

# One at a time is enough: a container makes one attempt at a time. A second may be held up by DNS of the one before.
_resolving = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolve")


class AttemptFailedError(Exception):
    """Why there is no good answer, in the log's words."""

    def __init__(self, error: AttemptError, detail: str) -> None:
        super().__init__(detail)
        self.error = error


def resolve(host: str, port: int) -> Sequence[Address]:
    """The addresses of a name as the system's resolver tells them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class HttpsMessenger:
    """A Messenger. `trusted` are the certificates that targets' must lead to; the system's if none are given."""

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        resolver: Resolver = resolve,
        trusted: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._allow_loopback = allow_loopback
        self._resolver = resolver
        self._trusted = trusted or ssl.create_default_context()
        self._timeout = timeout_seconds

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        at, began = now(), monotonic()
        answer: dict[str, Any] = {}
        try:
            target = parse_target(url, allow_loopback=self._allow_loopback)
            addresses = self._judged_addresses(target)
            answer = self._ask(target, addresses, headers, body, began + self._timeout)
        except InvalidRequestError as refused:
            answer = {"error": "refused_target", "detail": str(refused)}
        except AttemptFailedError as failed:
            answer = {"error": failed.error, "detail": str(failed)}
        duration = round((monotonic() - began) * 1000)
        return Attempt(at=at, duration_ms=duration, **answer)

    def _judged_addresses(self, target: Target) -> list[Address]:
        """One address that no message may go to spoils the name: it is a trap, or a slip."""
        addresses = self._resolve(target)
        if not addresses:
            raise AttemptFailedError("dns_failed", "the name has no address")
        for address in addresses:
            reason = refusal_of(address, allow_loopback=target.is_local)
            if reason:
                raise AttemptFailedError("refused_target", f"the name leads to {reason}")
        # What every network reaches comes first.
        return sorted(addresses, key=lambda address: address.version)[:MAX_ADDRESSES]

    def _resolve(self, target: Target) -> Sequence[Address]:
        asked = _resolving.submit(self._resolver, target.host, target.port)
        try:
            return asked.result(timeout=RESOLVE_SECONDS)
        except FutureTimeoutError as late:
            raise AttemptFailedError("dns_failed", "the name was not resolved in time") from late
        except (OSError, UnicodeError) as failed:
            raise AttemptFailedError("dns_failed", "the name was not resolved") from failed

    def _ask(
        self,
        target: Target,
        addresses: Sequence[Address],
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
    ) -> dict[str, Any]:
        sent = {
            "Host": target.authority,
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            **headers,
        }
        connection = self._connect(target, addresses, deadline)
        try:
            with _cut_off(connection, deadline) as is_late:
                try:
                    connection.request(
                        "POST", target.resource, body=body, headers=sent, preload_content=False
                    )
                    response = connection.getresponse()
                    content = response.read(MAX_ANSWER, decode_content=False)
                except (urllib3.HTTPError, HTTPException, OSError) as failed:
                    raise _failure(failed, late=is_late()) from failed
                if is_late():
                    raise AttemptFailedError("timed_out", "the answer did not end in time")
        finally:
            connection.close()
        return _judged_answer(response.status, content)

    def _connect(
        self, target: Target, addresses: Sequence[Address], deadline: float
    ) -> HTTPConnection:
        """To the first address that takes the connection."""
        for number, address in enumerate(addresses):
            left = deadline - monotonic()
            if left <= 0:
                break
            # A share of the time: an address that swallows packets must leave some to the next. TCP and TLS may
            # take as long each.
            seconds = max(0.1, left / (len(addresses) - number) / 2)
            connection = self._connection(target, str(address), seconds)
            try:
                connection.connect()
            except (urllib3.HTTPError, OSError) as failed:
                connection.close()
                failure = _failure(failed, late=False)
                if number + 1 == len(addresses) or failure.error == "tls_failed":
                    raise failure from failed
                continue
            connection.timeout = self._timeout  # from here on the deadline is kept by `_cut_off`
            return connection
        raise AttemptFailedError("timed_out", "no address took the connection in time")

    def _connection(self, target: Target, address: str, seconds: float) -> HTTPConnection:
        if target.scheme == "http":
            return HTTPConnection(address, target.port, timeout=seconds)
        return HTTPSConnection(
            address,
            target.port,
            timeout=seconds,
            ssl_context=self._trusted,
            # Asked for by SNI, and what OpenSSL holds the certificate against.
            server_hostname=target.host,
        )


@contextmanager
def _cut_off(connection: HTTPConnection, deadline: float) -> Iterator[Callable[[], bool]]:
    """End the connection at the deadline, whatever it is busy with; yields whether that has happened.

    A socket's own time-out begins anew with every byte, so that a target that drips could hold a function for ever.
    """
    late: list[bool] = []
    assert connection.sock is not None  # noqa: S101 - it is connected
    raw = socket.socket(fileno=os.dup(connection.sock.fileno()))

    def cut() -> None:
        late.append(True)
        try:
            raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was quicker

    timer = Timer(max(0.0, deadline - monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield lambda: bool(late)
    finally:
        timer.cancel()
        timer.join()
        raw.close()


def _failure(failed: Exception, *, late: bool) -> AttemptFailedError:
    """What went wrong, without words of the target's or of its certificate's."""
    refused = isinstance(failed, urllib3.NewConnectionError)  # to urllib3 a time-out as well
    if late or (isinstance(failed, urllib3.TimeoutError | TimeoutError) and not refused):
        return AttemptFailedError("timed_out", "the target did not answer in time")
    if isinstance(failed, urllib3.SSLError | ssl.SSLError):
        return AttemptFailedError("tls_failed", _tls_fault(failed))
    if isinstance(failed, HTTPException | urllib3.ProtocolError):
        return AttemptFailedError("bad_answer", "the target did not answer in HTTP")
    return AttemptFailedError("connection_failed", "the connection was refused or broke off")


def _tls_fault(failed: Exception) -> str:
    """OpenSSL's word for it, such as `certificate verify failed: self-signed certificate`."""
    causes = (failed, failed.__context__, *failed.args)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"[:200]
    return "no TLS connection was made"


def _judged_answer(status: int, content: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": status, "excerpt": _escaped(content[:EXCERPT])}
    if 200 <= status < 300:
        return answer
    if status == 410:
        return answer | {"error": "gone", "detail": "the target wants no more messages"}
    if 300 <= status < 400:
        return answer | {"error": "status", "detail": "redirects are not followed"}
    return answer | {"error": "status", "detail": f"the target answered {status}"}


def _escaped(content: bytes) -> str:
    """As printable ASCII: whoever looks at a log is not to be spoken to by a target."""
    return content.decode("latin-1").encode("unicode_escape").decode("ascii")
