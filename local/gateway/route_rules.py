"""One rule of an HTTPRoute, read and resolved into what the proxy carries out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from local.gateway.backends import Backend, BackendResolver, Problem
from local.gateway.durations import parse_duration
from local.gateway.filters import (
    NO_FILTERS,
    FilterInvalidError,
    Filters,
    parse_backend_filters,
    parse_rule_filters,
)
from local.gateway.kubernetes_objects import ObjectKey
from local.gateway.matching import RouteMatch, parse_match
from local.gateway.weights import choose, cumulate


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where copies go, and for how many of how many requests."""

    backend: Backend
    numerator: int
    denominator: int

    @property
    def revision(self) -> str:
        """The revision that the Service is KServe's of; a mirror's backendRef cannot name it."""
        return self.backend.service.removesuffix("-predictor")


@dataclass(frozen=True, slots=True)
class RouteRule:
    """A rule ready to be carried out; with a `problem`, its requests are answered with 500."""

    route: ObjectKey
    index: int
    matches: tuple[RouteMatch, ...]
    filters: Filters = NO_FILTERS
    backends: tuple[Backend, ...] = ()
    cumulated: tuple[int, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    timeout: float | None = None
    problem: Problem | None = None

    def choose_backend(self, random: Random) -> Backend | None:
        """Draw the backend of one request; None where no backend has weight."""
        if not self.cumulated or self.cumulated[-1] == 0:
            return None
        return self.backends[choose(self.cumulated, random.randrange(self.cumulated[-1]))]

    def unresolved(self) -> Problem | None:
        """Return the first problem among the rule's backendRefs and mirrors."""
        mirrored = (mirror.backend for mirror in self.mirrors)
        return next((b.problem for b in (*self.backends, *mirrored) if b.problem), None)


def parse_rule(
    rule: Mapping[str, Any], index: int, route: ObjectKey, resolver: BackendResolver
) -> RouteRule:
    """Read a rule. What cannot be programmed becomes its `problem`, never an exception.

    An unreadable match leaves the rule without matches; an unreadable rest keeps the matches,
    because the Gateway API wants an error for these requests, not a filter passed over.
    """
    matches: tuple[RouteMatch, ...] = ()
    try:
        matches = tuple(parse_match(match) for match in rule.get("matches") or [{}])
        return _parse_rest(rule, index, route, resolver, matches)
    except FilterInvalidError as error:
        problem = Problem(error.reason, f"rule {index}: {error}")
    except (KeyError, TypeError, ValueError) as error:
        # One malformed route must not stop the routing of all others.
        problem = Problem("UnsupportedValue", f"rule {index}: {error}")
    return RouteRule(route=route, index=index, matches=matches, problem=problem)


def _parse_rest(
    rule: Mapping[str, Any],
    index: int,
    route: ObjectKey,
    resolver: BackendResolver,
    matches: tuple[RouteMatch, ...],
) -> RouteRule:
    filters = parse_rule_filters(rule.get("filters") or ())
    _refuse_prefix_replacement_without_prefix(filters, matches)
    namespace = route[0]
    backends = tuple(
        resolver.resolve(ref, namespace, parse_backend_filters(ref.get("filters") or ()))
        for ref in rule.get("backendRefs") or ()
    )
    mirrors = tuple(
        Mirror(resolver.resolve(m.backend_ref, namespace), m.numerator, m.denominator)
        for m in filters.mirrors
    )
    return RouteRule(
        route=route,
        index=index,
        matches=matches,
        filters=filters,
        backends=backends,
        cumulated=cumulate([backend.weight for backend in backends]),
        mirrors=mirrors,
        timeout=_timeout(rule.get("timeouts") or {}),
    )


def _refuse_prefix_replacement_without_prefix(
    filters: Filters, matches: Sequence[RouteMatch]
) -> None:
    changes = [found.path for found in (filters.rewrite, filters.redirect) if found]
    replaces = any(change is not None and not change.whole for change in changes)
    if replaces and any(match.path_type != "PathPrefix" for match in matches):
        raise FilterInvalidError("ReplacePrefixMatch needs a PathPrefix match")


def _timeout(timeouts: Mapping[str, str]) -> float | None:
    # Without retries a request makes one backend request, so the shorter bound is the bound.
    seconds = [parse_duration(timeouts[k]) for k in ("request", "backendRequest") if k in timeouts]
    return min((bound for bound in seconds if bound > 0), default=None)
