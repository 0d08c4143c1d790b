"""What changes on the way through: header fields, paths and hosts."""

from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict

from local.gateway.backends import Backend
from local.gateway.paths import normalise_path
from local.gateway.routing_table import Entry

# RFC 9110, 7.6.1; `Expect` is answered by the gateway itself.
HOP_BY_HOP = (
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Expect",
)


@dataclass(frozen=True, slots=True)
class Target:
    """The request line of a request, taken apart; `path` is normalised, `query` untouched."""

    path: str
    query: str

    @property
    def text(self) -> str:
        """The origin form: path, and query where there is one."""
        return f"{self.path}?{self.query}" if self.query else self.path


def parse_target(raw: str) -> Target | None:
    """Read a request target in origin or absolute form; None for one that has no path."""
    if not raw.startswith("/"):
        _, scheme, rest = raw.partition("://")
        if not scheme:
            return None
        slash = rest.partition("?")[0].find("/")
        raw = rest[slash:] if slash >= 0 else "/"
    path, _, query = raw.partition("#")[0].partition("?")
    return Target(normalise_path(path), query)


class JoinedHeaders:
    """Header fields as matches see them: repeated ones joined by commas (RFC 9110, 5.3)."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def get(self, name: str, /) -> str | None:
        """Return the value of a field, or None."""
        values = self._headers.getall(name, None)
        return None if values is None else ", ".join(values)


def end_to_end(headers: Any) -> CIMultiDict[str]:
    """Return a copy of header fields without those that are meant for one connection."""
    kept: CIMultiDict[str] = CIMultiDict(headers)
    if "Connection" in kept:
        for named in ",".join(kept.getall("Connection")).split(","):
            kept.popall(named.strip(), None)
    for name in HOP_BY_HOP:
        kept.popall(name, None)
    return kept


def rule_request(
    entry: Entry, target: Target, headers: Any, peer: str, host: str
) -> tuple[str, CIMultiDict[str]]:
    """Return the target and header fields that a rule sends to its backends and mirrors.

    The caller's own X-Forwarded-Proto and -Host do not count: nothing in front of this gateway is
    trusted to set them. X-Forwarded-For is continued.
    """
    filters = entry.rule.filters
    sent = end_to_end(headers)
    before = sent.get("X-Forwarded-For")
    sent["X-Forwarded-For"] = f"{before}, {peer}" if before else peer
    sent["X-Forwarded-Proto"] = "http"
    sent["X-Forwarded-Host"] = host
    path = target.path
    if filters.rewrite is not None:
        if filters.rewrite.path is not None:
            path = filters.rewrite.path.apply(path, entry.match.path)
        if filters.rewrite.hostname is not None:
            sent["Host"] = filters.rewrite.hostname
    if filters.request_headers is not None:
        filters.request_headers.apply(sent)
    return Target(path, target.query).text, sent


def response_headers(entry: Entry, backend: Backend, headers: Any) -> CIMultiDict[str]:
    """Return the header fields of an answer: the rule's filter first, then the backendRef's."""
    answered = end_to_end(headers)
    for filters in (entry.rule.filters, backend.filters):
        if filters.response_headers is not None:
            filters.response_headers.apply(answered)
    return answered
