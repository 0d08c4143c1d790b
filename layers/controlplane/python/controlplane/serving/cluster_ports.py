"""What serving needs of the cluster during a rollout, whatever the cluster splits traffic with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    """A deployment on its way from one revision to the next; `stable` is None for a first or an in-place rollout."""

    tenant_id: str
    project: str
    deployment: str
    rollout_id: str
    mechanism: Mechanism
    canary: RevisionSpec
    stable: RevisionSpec | None = None
    headers: tuple[HeaderRule, ...] = ()


@dataclass(frozen=True)
class Traffic:
    """The canary's share of the requests, and of the copies. `probes`: our own probe header leads to it as well."""

    canary_percent: int
    mirror_percent: int = 0
    probes: bool = False


@dataclass(frozen=True)
class TransitionObservation:
    """What the cluster's own objects say. Percentages are what is in effect, None while that is not known.

    `settled` is true when the last write of the traffic is in effect: accepted by the gateway at that generation.
    """

    canary: RevisionObservation
    stable: RevisionObservation | None
    canary_percent: int | None
    stable_percent: int | None
    settled: bool
    stable_replicas: int = 0
    canary_replicas: int = 0


@dataclass(frozen=True)
class ClusterChange:
    """One write to the cluster, as it is sent: for the plan, and for the evidence."""

    verb: Literal["apply", "json-patch", "merge-patch", "delete"]
    path: str
    body: Any = None


@dataclass(frozen=True)
class ClusterSurvey:
    """What was found in the cluster. `refusals` say why a mechanism cannot be used, each with its remedy."""

    mechanisms: tuple[Mechanism, ...]
    refusals: Mapping[Mechanism, Reason] = field(default_factory=dict)
    runtimes: frozenset[str] = frozenset()


class RolloutCluster(Protocol):
    """Moves a deployment's traffic. Everything raises ClusterUnavailableError, ClusterRefusedError.

    Each call may be repeated; after an answer that was lost a repeat leaves what the first one left. `shift` and
    `promote` raise ConcurrentChangeError when what they were decided on has changed, or when this rollout has been
    rolled back already: observe again, and decide again.
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
        the entry of `spec.canary`). Traffic is not touched. May be called at any time after the end, and again.
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
