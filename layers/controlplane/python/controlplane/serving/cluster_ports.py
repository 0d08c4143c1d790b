"""What serving needs of the cluster during a rollout, whatever the cluster splits traffic with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from controlplane.reasons import Reason
from controlplane.serving.ports import (
    RevisionCluster,
    RevisionObservation,
    RevisionSpec,
    RevisionSwitch,
)
from controlplane.serving.settings import HeaderRule
from controlplane.serving.states import Mechanism as Mechanism


@dataclass(frozen=True)
class Transition:
    """A deployment on its way from one revision to the next; `stable` is None for a first or an in-place rollout.

    `warm`: the canary runs already, for a rollback at once; it keeps the size that it has, and so does all else.
    `in_place`: the canary is the revision that serves, with other settings.
    `began` orders a deployment's rollouts: text that sorts by when each was started, as their identifiers do not.
    """

    tenant_id: str
    project: str
    deployment: str
    rollout_id: str
    mechanism: Mechanism
    canary: RevisionSpec
    stable: RevisionSpec | None = None
    headers: tuple[HeaderRule, ...] = ()
    warm: bool = False
    began: str = ""
    in_place: bool = False


@dataclass(frozen=True)
class Traffic:
    """The canary's share of the requests, and of the copies. `probes`: our own probe header leads to it as well."""

    canary_percent: int
    mirror_percent: int = 0
    probes: bool = False


class TrafficMark(StrEnum):
    """What a rollout did last with the traffic, as it is written beside it. The latter two are its last word."""

    NONE = ""
    SHIFTING = "Shifting"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"


@dataclass(frozen=True)
class TransitionObservation:
    """What the cluster's own objects say. Percentages are what is in effect, None while that is not known.

    `settled` is true when the last write of the traffic is in effect: accepted by the gateway at that generation.
    `routed` is false when there is no route of ours, so that nobody gets anything.
    `asked_percent` is what the canary is to have by the route as it stands, in effect or not; None where that is told
    by nothing but what is in effect.
    `mark` is this rollout's own, NONE where another one wrote the traffic last: what was done is known by it even
    when no record says so.
    """

    canary: RevisionObservation
    stable: RevisionObservation | None
    canary_percent: int | None
    stable_percent: int | None
    settled: bool
    stable_replicas: int = 0
    canary_replicas: int = 0
    mark: TrafficMark = TrafficMark.NONE
    routed: bool = True
    asked_percent: int | None = None


@dataclass(frozen=True)
class ClusterChange:
    """One write to the cluster, as it is sent: for the plan, and for the evidence."""

    verb: Literal["apply", "json-patch", "merge-patch", "delete"]
    path: str
    body: Any = None


# The Gateway API's names for copying requests, all of them and a part, which not every gateway does.
MIRROR, MIRROR_PART = "HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"
ROUTE_FEATURES = frozenset({MIRROR, MIRROR_PART})


@dataclass(frozen=True)
class ClusterSurvey:
    """What was found in the cluster. `refusals` say why a mechanism cannot be used, each with its remedy.

    `lacks`: those of ROUTE_FEATURES that the gateway says it has not; none where it does not say what it has.
    """

    mechanisms: tuple[Mechanism, ...]
    refusals: Mapping[Mechanism, Reason] = field(default_factory=dict)
    runtimes: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()


class RolloutCluster(Protocol):
    """Moves a deployment's traffic. Everything raises ClusterUnavailableError, ClusterRefusedError.

    Each call may be repeated; after an answer that was lost a repeat leaves what the first one left. `shift` and
    `promote` raise ConcurrentChangeError when what they were decided on has changed, or when this rollout's last word
    is another one (`shift` after a promotion too): observe again, and decide again.
    """

    def survey(self, tenant_id: str) -> ClusterSurvey: ...

    def find_obstacles(self, transition: Transition) -> Sequence[Reason]:
        """What of the cluster stands against it: runtime, quota, GPU type, capacity for both; each with a remedy."""
        ...

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        """Bring the canary up at full size without traffic, never at the cost of the stable revision."""
        ...

    def observe(self, transition: Transition) -> TransitionObservation: ...

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]: ...

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        """All traffic to the canary, which is the stable revision from now on; the one before keeps its size."""
        ...

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        """All traffic to the stable revision by ONE write, before anything else is done about the canary."""
        ...

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        """Only for Capacity.LEAN."""
        ...

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        """After the end, however it was: undo what was done for the rollout's time only.

        Sizes that were held up; and after a rollback what would bring the canary back (Knative's model in the spec,
        the entry of `spec.canary`). May be called at any time after the end, and again: nothing of it is done when
        a rollout that began later has written the traffic.
        """
        ...

    def restore(self, transition: Transition) -> Sequence[ClusterChange]:
        """After an in-place rollout that was not promoted: the revision's objects as they were before it.

        `transition.canary` has the settings of then. Otherwise like `finish`.
        """
        ...


class RevisionStore(RevisionCluster, RevisionSwitch, Protocol):
    """What is done with revisions outside of rollouts, for deployments of one mechanism."""


class RolloutCompiler(Protocol):
    """The writes of a rollout, without a cluster: for the plan. Raises ClusterRefusedError for what cannot be."""

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]: ...

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]: ...

    def promote(self, transition: Transition) -> Sequence[ClusterChange]: ...

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]: ...

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]: ...

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]: ...
