"""The routes of a cluster in memory, whose gateway takes its time, and whose writes are refused as the adapters do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controlplane.errors import ConcurrentChangeError
from controlplane.serving.cluster_ports import TrafficMark, Transition

Place = tuple[str, str, str]


@dataclass
class Route:
    """What was written, and what the gateway does. `left`: looks until the one is the other.

    `mark`: what a rollout did last with it, `marked_by`: which one, and when that `began`.
    """

    weights: dict[str, int]
    mirrored: dict[str, int] = field(default_factory=dict)
    in_effect: dict[str, int] = field(default_factory=dict)
    generation: int = 1
    left: int = 0
    mark: TrafficMark = TrafficMark.NONE
    marked_by: str = ""
    began: str = ""


@dataclass
class MemoryRoutes:
    """The routes, by their deployment's place. `lag` is how many looks a write takes to be in effect."""

    lag: int = 0
    routes: dict[Place, Route] = field(default_factory=dict)
    _seen: dict[Place, int] = field(default_factory=dict)

    def turn(self, place: Place, weights: Mapping[str, int]) -> None:
        """An operator changes the route."""
        self._write(place, weights, {})

    def settle(self, place: Place) -> None:
        """The gateway does what was written last."""
        route = self.routes.get(place)
        if route is not None:
            route.left, route.in_effect = 0, dict(route.weights)

    def _write(self, place: Place, weights: Mapping[str, int], mirrored: Mapping[str, int]) -> None:
        route = self.routes.setdefault(place, Route({}, generation=0))
        route.weights, route.mirrored = dict(weights), dict(mirrored)
        route.generation += 1
        route.left = self.lag
        if not self.lag:
            route.in_effect = dict(weights)

    def _write_marked(
        self,
        transition: Transition,
        mark: TrafficMark,
        weights: Mapping[str, int],
        mirrored: Mapping[str, int] | None = None,
    ) -> None:
        self._write(place_of(transition), weights, mirrored or {})
        route = self.routes[place_of(transition)]
        route.mark, route.marked_by = mark, transition.rollout_id
        route.began = transition.began

    def _mark(self, transition: Transition) -> TrafficMark:
        route = self.routes.get(place_of(transition))
        mine = route is not None and route.marked_by == transition.rollout_id
        return route.mark if route and mine else TrafficMark.NONE

    def _is_last(self, transition: Transition) -> bool:
        route = self.routes.get(place_of(transition))
        if route is None or route.marked_by in ("", transition.rollout_id):
            return True
        return route.began < transition.began

    def _take_effect(self, place: Place, looks: int) -> None:
        route = self.routes.get(place)
        if route is not None and route.left:
            route.left -= min(looks, route.left)
            if not route.left:
                route.in_effect = dict(route.weights)

    def _require_seen(self, transition: Transition, wanted: TrafficMark) -> None:
        """Writes that give the canary traffic rest on the route that was looked at, and come before the last word."""
        route, done = self.routes.get(place_of(transition)), self._mark(transition)
        if done in (TrafficMark.PROMOTED, TrafficMark.ROLLED_BACK) and wanted is not done:
            raise ConcurrentChangeError(f"the rollout has left the traffic as {done} already")
        if (route.generation if route else 0) != self._seen.get(place_of(transition)):
            raise ConcurrentChangeError("the route has changed since it was looked at")


def place_of(transition: Transition) -> Place:
    return transition.tenant_id, transition.project, transition.deployment
