"""A cluster whose revisions become ready, fail or hang as a test says, and whose gateway takes its time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from controlplane.errors import ClusterUnavailableError, ConcurrentChangeError, HeadraceError
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import (
    ClusterChange,
    ClusterSurvey,
    Mechanism,
    Traffic,
    TrafficMark,
    Transition,
    TransitionObservation,
)
from controlplane.serving.ports import RevisionObservation, RevisionSpec, RevisionState
from tests.fakes.cluster_routes import MemoryRoutes, Place, place_of

READY = RevisionObservation(RevisionState.READY)
PROGRESSING = RevisionObservation(RevisionState.PROGRESSING, "Progressing", "not yet")
MISSING = RevisionObservation(RevisionState.MISSING, "NotFound", "it is not in the cluster")


@dataclass
class MemoryCluster(MemoryRoutes):
    """A RolloutCluster and a RevisionCluster, which refuse what the adapters do.

    `outcomes` says how a revision of a model version looks, READY where nothing is said. `lag` is also how many looks a
    write of a size takes to be in effect. `faults` are raised by the next calls, one each, before
    they do anything; `lost` by the next writes, one each, after they did. `held` are revisions whose autoscaler may
    not go below the size that they had when a rollout began. `interrupts` run once, just before the
    next call of the method that they are kept under. `writes` are all that were done, in their order.
    """

    outcomes: dict[int, RevisionObservation] = field(default_factory=dict)
    faults: list[HeadraceError] = field(default_factory=list)
    lost: list[HeadraceError] = field(default_factory=list)
    mechanisms: tuple[Mechanism, ...] = (Mechanism.ROUTE,)
    refusals: dict[Mechanism, Reason] = field(default_factory=dict)
    obstacles: list[Reason] = field(default_factory=list)
    revisions: dict[tuple[str, str], RevisionSpec] = field(default_factory=dict)
    replicas: dict[tuple[str, str], int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    finished: dict[str, bool] = field(default_factory=dict)
    interrupts: dict[str, Callable[[], None]] = field(default_factory=dict)
    on_write: Callable[[], None] | None = None
    _resizing: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)
    _generations: dict[tuple[str, str], int] = field(default_factory=dict)

    def fail_next(self, calls: int) -> None:
        self.faults += [ClusterUnavailableError("the cluster's API did not answer")] * calls

    def lose_next(self, answers: int) -> None:
        self.lost += [ClusterUnavailableError("the answer did not come")] * answers

    def touch(self, tenant_id: str, name: str) -> None:
        """Something in the cluster changed the object, as its controller does."""
        self._generations[tenant_id, name] = self._generations.get((tenant_id, name), 0) + 1

    # RolloutCluster

    def survey(self, tenant_id: str) -> ClusterSurvey:  # noqa: ARG002 - the port's
        self._answer("survey")
        return ClusterSurvey(self.mechanisms, self.refusals, frozenset({"kserve-sklearnserver"}))

    def find_obstacles(self, transition: Transition) -> Sequence[Reason]:  # noqa: ARG002 - the port's
        self._answer("find_obstacles")
        return self.obstacles

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        self._answer("prepare")
        spec, stable = transition.canary, transition.stable
        if stable is not None:
            self.held.add((stable.tenant_id, stable.name))
        self.revisions[spec.tenant_id, spec.name] = spec
        wanted = max(1, spec.settings.autoscaling.min_replicas)
        self.replicas[spec.tenant_id, spec.name] = wanted
        self.touch(spec.tenant_id, spec.name)
        return self._done("prepare", spec.name)

    def observe(self, transition: Transition) -> TransitionObservation:
        self._answer("observe")
        place, tenant_id = place_of(transition), transition.tenant_id
        stable, canary = transition.stable, transition.canary
        route = self.routes.get(place)
        self._pass_time(place)
        settled = route is None or route.left == 0
        share = (route.weights if route else {}) if settled else None
        self._seen[place] = route.generation if route else 0
        return TransitionObservation(
            canary=self._state(tenant_id, canary.name),
            stable=self._state(tenant_id, stable.name) if stable else None,
            canary_percent=None if share is None else share.get(canary.name, 0),
            stable_percent=None if share is None or not stable else share.get(stable.name, 0),
            settled=settled,
            stable_replicas=self.replicas.get((tenant_id, stable.name), 0) if stable else 0,
            canary_replicas=self.replicas.get((tenant_id, canary.name), 0),
            mark=self._mark(transition),
            routed=route is not None,
            asked_percent=route.weights.get(canary.name, 0) if route else None,
        )

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]:
        self._answer("shift")
        self._require_seen(transition, TrafficMark.SHIFTING)
        weights = {transition.canary.name: traffic.canary_percent}
        if transition.stable is not None:
            weights[transition.stable.name] = 100 - traffic.canary_percent
        mirrored = {transition.canary.name: traffic.mirror_percent}
        mirrored = mirrored if traffic.mirror_percent else {}
        self._write_marked(transition, TrafficMark.SHIFTING, weights, mirrored)
        return self._done("shift", f"{traffic.canary_percent} {transition.canary.name}")

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        self._answer("promote")
        self._require_seen(transition, TrafficMark.PROMOTED)
        kept = {transition.stable.name: 0} if transition.stable else {}
        weights = kept | {transition.canary.name: 100}
        self._write_marked(transition, TrafficMark.PROMOTED, weights)
        return self._done("promote", transition.canary.name)

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        self._answer("roll_back")
        if transition.stable is None:
            return ()
        weights = {transition.stable.name: 100, transition.canary.name: 0}
        self._write_marked(transition, TrafficMark.ROLLED_BACK, weights)
        return self._done("roll_back", transition.stable.name)

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        self._answer("resize_stable")
        assert transition.stable is not None
        name = (transition.tenant_id, transition.stable.name)
        if replicas > self.replicas.get(name, 0):
            _, left = self._resizing.get(name, (0, self.lag))
            self._resizing[name] = (replicas, left)
        else:
            self._resizing.pop(name, None)
            self.replicas[name] = replicas
        self._pass_time(place_of(transition), looks=0)
        return self._done("resize_stable", f"{replicas} {transition.stable.name}")

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        self._answer("finish")
        if not self._is_last(transition):
            return ()
        self.finished[transition.rollout_id] = promoted
        served = transition.canary if promoted else transition.stable
        if served is None:
            return ()
        name = (served.tenant_id, served.name)
        self.held.discard(name)
        if name in self.replicas:
            self.replicas[name] = max(1, served.settings.autoscaling.min_replicas)
        mark = TrafficMark.PROMOTED if promoted else TrafficMark.ROLLED_BACK
        self._write_marked(transition, mark, {served.name: 100})
        return self._done("finish", transition.canary.name)

    def restore(self, transition: Transition) -> Sequence[ClusterChange]:
        self._answer("restore")
        if not self._is_last(transition):
            return ()
        spec = transition.canary
        self.revisions[spec.tenant_id, spec.name] = spec
        self.replicas[spec.tenant_id, spec.name] = max(1, spec.settings.autoscaling.min_replicas)
        self.touch(spec.tenant_id, spec.name)
        return self._done("restore", spec.name)

    # RevisionCluster

    def find_revision_mark(self, tenant_id: str, name: str) -> str | None:
        self._answer("find_revision_mark")
        if (tenant_id, name) not in self.revisions:
            return None
        return str(self._generations[tenant_id, name])

    def delete_revision(self, tenant_id: str, name: str, mark: str) -> None:
        self._answer("delete_revision")
        if (tenant_id, name) not in self.revisions:
            return
        if str(self._generations[tenant_id, name]) != mark:
            raise ConcurrentChangeError(f"{name} has changed")
        del self.revisions[tenant_id, name]
        self.replicas.pop((tenant_id, name), None)
        self.held.discard((tenant_id, name))
        self.deleted.append(name)
        self._done("delete_revision", name)

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> Sequence[ClusterChange]:
        self._answer("apply_route")
        place = (tenant_id, project, deployment)
        self._write(place, weights, {})
        route = self.routes[place]
        route.mark, route.marked_by, route.began = TrafficMark.NONE, "", ""
        return self._done("apply_route", str(dict(weights)))

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        self._answer("find_weights")
        route = self.routes.get((tenant_id, project, deployment))
        return {**route.mirrored, **_given(route.weights)} if route else None

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        self._answer("delete_route")
        self.routes.pop((tenant_id, project, deployment), None)

    def _state(self, tenant_id: str, name: str) -> RevisionObservation:
        spec = self.revisions.get((tenant_id, name))
        return MISSING if spec is None else self.outcomes.get(spec.version.number, READY)

    def _pass_time(self, place: Place, looks: int = 1) -> None:
        """What was written comes into effect after some looks."""
        self._take_effect(place, looks)
        for name, (replicas, left) in list(self._resizing.items()):
            if left <= looks:
                self.replicas[name] = replicas
                del self._resizing[name]
            else:
                self._resizing[name] = (replicas, left - looks)

    def _done(self, verb: str, what: str) -> tuple[ClusterChange, ...]:
        self.writes.append(f"{verb} {what}")
        if self.on_write is not None:
            self.on_write()
        if self.lost:
            raise self.lost.pop(0)
        return (ClusterChange("json-patch", f"{verb}/{what}", {"done": verb}),)

    def _answer(self, call: str) -> None:
        pending = self.interrupts.pop(call, None)
        if pending is not None:
            pending()
        if self.faults:
            raise self.faults.pop(0)


def _given(weights: Mapping[str, int]) -> dict[str, int]:
    return {name: share for name, share in weights.items() if share}
