"""The routing table: compiled from a snapshot at each change, asked at each request.

A lookup costs one dictionary access per host label and path segment, however many routes there
are; only matches on the very same path are tried one after the other.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from local.gateway.attachment import Attachment, Listener, attach, listeners_of, parents_of
from local.gateway.backends import Backend, BackendResolver, Problem, Turns
from local.gateway.hostnames import candidates_for
from local.gateway.kubernetes_objects import KubernetesObject, ObjectKey, Snapshot
from local.gateway.matching import Request, RouteMatch
from local.gateway.paths import canonical_prefix, prefixes_of
from local.gateway.route_rules import RouteRule, parse_rule

Precedence = tuple[tuple[int, int, int, int, int], str, str, int, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One match of one rule, with the key that orders it among all others."""

    match: RouteMatch
    rule: RouteRule
    precedence: Precedence


@dataclass(slots=True)
class PathIndex:
    """The entries of one hostname by path; every list has the winner first."""

    exact: defaultdict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    expressions: list[Entry] = field(default_factory=list)
    prefixes: defaultdict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: Entry) -> None:
        """Add an entry; entries come in their order of precedence."""
        match = entry.match
        if match.path_type == "Exact":
            self.exact[match.path].append(entry)
        elif match.expression is not None:
            self.expressions.append(entry)
        else:
            self.prefixes[canonical_prefix(match.path)].append(entry)

    def find(self, request: Request) -> Entry | None:
        """Return the entry that wins for the request."""
        return next(
            (e for e in self._candidates(request.path) if e.match.accepts_rest(request)), None
        )

    def _candidates(self, path: str) -> Iterator[Entry]:
        yield from self.exact.get(path, ())
        for entry in self.expressions:
            if entry.match.accepts_path(path):
                yield entry
        for prefix in prefixes_of(path):
            yield from self.prefixes.get(prefix, ())


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """What became of one route that names this gateway: for its status and for `/routes`."""

    route: KubernetesObject
    attachments: tuple[Attachment, ...]
    rules: tuple[RouteRule, ...]

    @property
    def hostnames(self) -> tuple[str, ...]:
        """The hostnames that the route is served under."""
        return tuple(dict.fromkeys(h for found in self.attachments for h in found.hostnames))

    @property
    def invalid(self) -> tuple[Problem, ...]:
        """The problems of rules that cannot be programmed."""
        return tuple(rule.problem for rule in self.rules if rule.problem)

    @property
    def unresolved(self) -> Problem | None:
        """The first problem with a backendRef, or None where all are resolved."""
        return next((found for rule in self.rules if (found := rule.unresolved())), None)


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All routes of the gateway. Never changed: a change makes a new table."""

    hosts: dict[str, PathIndex] = field(default_factory=dict)
    routes: tuple[CompiledRoute, ...] = ()
    listeners: tuple[Listener, ...] = ()

    def find(self, request: Request) -> Entry | None:
        """Return the match that wins for a request; None where no route takes it."""
        for hostname in candidates_for(request.host):
            index = self.hosts.get(hostname)
            if index is not None and (entry := index.find(request)) is not None:
                return entry
        return None

    def attached_routes(self, listener: str) -> int:
        """Return how many routes a listener has."""
        return sum(
            any(listener in found.listeners for found in compiled.attachments)
            for compiled in self.routes
        )

    def backends(self) -> Iterator[Backend]:
        """Yield all backends of all rules."""
        for compiled in self.routes:
            for rule in compiled.rules:
                yield from rule.backends


def compile_table(
    snapshot: Snapshot, gateway: ObjectKey, served_port: int, turns: Turns
) -> RoutingTable:
    """Compile the routes of one Gateway; `served_port` is the port that the process listens on."""
    listeners = listeners_of(snapshot.gateways.get(gateway), served_port)
    resolver = BackendResolver(snapshot, turns)
    routes = tuple(
        CompiledRoute(
            route=route,
            attachments=tuple(attach(route, p, listeners, gateway, snapshot) for p in parents),
            rules=tuple(
                parse_rule(rule, index, key, resolver)
                for index, rule in enumerate(route["spec"].get("rules") or [{}])
            ),
        )
        for key, route in snapshot.routes.items()
        if (parents := parents_of(route, gateway)) and listeners
    )
    return RoutingTable(_index(routes), routes, listeners)


def _index(routes: tuple[CompiledRoute, ...]) -> dict[str, PathIndex]:
    entries = [
        (hostname, Entry(match, rule, _precedence(compiled.route, match, rule, position)))
        for compiled in routes
        for hostname in compiled.hostnames
        for rule in compiled.rules
        for position, match in enumerate(rule.matches)
    ]
    hosts: defaultdict[str, PathIndex] = defaultdict(PathIndex)
    for hostname, entry in sorted(entries, key=lambda pair: pair[1].precedence):
        hosts[hostname].add(entry)
    return dict(hosts)


def _precedence(
    route: KubernetesObject, match: RouteMatch, rule: RouteRule, position: int
) -> Precedence:
    created = route["metadata"].get("creationTimestamp") or ""
    return match.precedence(), created, "/".join(rule.route), rule.index, position
