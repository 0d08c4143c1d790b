"""HTTPRoute matches: what a request must look like, and which of several matches wins.

Precedence within one hostname is the Gateway API's: exact path, longest prefix, method, most
headers, most query parameters, oldest route, route name, order in the route. The API leaves the
place of regular expressions open; here they come between exact paths and prefixes, longest first.
Regular expressions are Python's and must match the whole value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from local.gateway.paths import canonical_prefix, matches_prefix


class MatchInvalidError(ValueError):
    """A match cannot be programmed; the message says why."""


class HeaderLookup(Protocol):
    """Finds the value of a header field; a dictionary with lower-case names is one."""

    def get(self, name: str, /) -> str | None:
        """Return the value of the field `name` (lower-case), or None."""


@dataclass(frozen=True, slots=True)
class Request:
    """What routing looks at. `path` is normalised."""

    method: str
    host: str
    path: str
    query: str
    headers: HeaderLookup


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """One header or query parameter: its name and the value or expression it must match."""

    name: str
    value: str
    expression: re.Pattern[str] | None = None

    def accepts(self, actual: str | None) -> bool:
        """Say whether the value fits; an absent one never does."""
        if actual is None:
            return False
        if self.expression is None:
            return actual == self.value
        return self.expression.fullmatch(actual) is not None


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """One entry of `rules[].matches`: every condition must hold."""

    path_type: str = "PathPrefix"
    path: str = "/"
    expression: re.Pattern[str] | None = None
    method: str | None = None
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()

    def accepts(self, request: Request) -> bool:
        """Say whether the request fits the whole match."""
        return self.accepts_path(request.path) and self.accepts_rest(request)

    def accepts_path(self, path: str) -> bool:
        """Say whether the path fits."""
        if self.path_type == "Exact":
            return path == self.path
        if self.expression is not None:
            return self.expression.fullmatch(path) is not None
        return matches_prefix(path, self.path)

    def accepts_rest(self, request: Request) -> bool:
        """Say whether everything but the path fits."""
        if self.method is not None and request.method != self.method:
            return False
        if not all(match.accepts(request.headers.get(match.name)) for match in self.headers):
            return False
        if not self.query:
            return True
        parameters = _first_values(request.query)
        return all(match.accepts(parameters.get(match.name)) for match in self.query)

    def precedence(self) -> tuple[int, int, int, int, int]:
        """Return a key that sorts the match that wins first."""
        rank = {"Exact": 0, "RegularExpression": 1}.get(self.path_type, 2)
        length = len(canonical_prefix(self.path)) if rank == 2 else len(self.path)
        return rank, -length, int(self.method is None), -len(self.headers), -len(self.query)


def _first_values(query: str) -> dict[str, str]:
    # Of a repeated parameter the first value counts, as the Gateway API recommends.
    return dict(reversed(parse_qsl(query, keep_blank_values=True)))


def parse_match(match: Mapping[str, Any]) -> RouteMatch:
    """Read one entry of `rules[].matches`; raise MatchInvalidError for what cannot be programmed."""
    path = match.get("path") or {}
    path_type = path.get("type", "PathPrefix")
    value = path.get("value", "/")
    if path_type not in {"Exact", "PathPrefix", "RegularExpression"}:
        raise MatchInvalidError(f"path match type {path_type!r} is not supported")
    return RouteMatch(
        path_type=path_type,
        path=value,
        expression=_compile(value) if path_type == "RegularExpression" else None,
        method=match.get("method"),
        headers=_value_matches(match.get("headers") or (), lower_names=True),
        query=_value_matches(match.get("queryParams") or (), lower_names=False),
    )


def _value_matches(
    entries: list[dict[str, Any]] | tuple[()], *, lower_names: bool
) -> tuple[ValueMatch, ...]:
    matches: dict[str, ValueMatch] = {}
    for entry in entries:
        match_type = entry.get("type", "Exact")
        if match_type not in {"Exact", "RegularExpression"}:
            raise MatchInvalidError(f"value match type {match_type!r} is not supported")
        name = entry["name"].lower() if lower_names else entry["name"]
        value = entry["value"]
        expression = _compile(value) if match_type == "RegularExpression" else None
        # Of two entries with an equivalent name only the first counts.
        matches.setdefault(name, ValueMatch(name, value, expression))
    return tuple(matches.values())


def _compile(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise MatchInvalidError(f"{expression!r} is no regular expression: {error}") from None
