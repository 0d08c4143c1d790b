"""What compilers work with: pure data in, writes to the cluster out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.adapters.kserve_predictors import SHARED
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.adapters.tenant_objects import object_path
from controlplane.errors import ClusterRefusedError
from controlplane.serving.cluster_ports import ClusterChange, Traffic, TrafficMark, Transition
from controlplane.serving.ports import RevisionSpec

# What a rollout did last with the traffic, which one, and since when it runs: a write that comes late is told by this.
TRAFFIC = "headrace.dev/traffic"
TRAFFIC_ROLLOUT = "headrace.dev/traffic-rollout"
TRAFFIC_SINCE = "headrace.dev/traffic-since"
# How many replicas the stable predictor of `spec.canary` had when the rollout began: what it asks for now is more.
HELD = "headrace.dev/held-replicas"
# All that rollouts note on an object that other revisions share.
MARKS = (TRAFFIC, TRAFFIC_ROLLOUT, TRAFFIC_SINCE, HELD)
SHIFTING, PROMOTED, ROLLED_BACK = (
    TrafficMark.SHIFTING.value,
    TrafficMark.PROMOTED.value,
    TrafficMark.ROLLED_BACK.value,
)


@dataclass(frozen=True)
class Surroundings:
    """What of the cluster decides how objects are written.

    `gateway` is the Gateway's namespace and name. `floor` is how many replicas the stable revision has: neither it
    nor the canary may have fewer while the rollout lasts. For a canary that is warm it is how many that one has.
    `taken_by` is the rollout that took up the object of a revision that serves or is warm: it stays that one's.
    """

    gateway: tuple[str, str]
    where: Placement = SHARED
    floor: int = 0
    taken_by: str = ""


def applied(manifest: dict[str, Any]) -> ClusterChange:
    """The whole object, by server-side apply."""
    return ClusterChange("apply", object_path(manifest), manifest)


def merged(path: str, change: Mapping[str, Any]) -> ClusterChange:
    """A few fields; None removes one."""
    return ClusterChange("merge-patch", path, dict(change))


def guarded(
    path: str, tests: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]
) -> ClusterChange:
    """A JSON patch that is refused unless every pointer of `tests` has its value."""
    checks = [{"op": "test", "path": at, "value": value} for at, value in tests.items()]
    return ClusterChange("json-patch", path, [*checks, *map(dict, operations)])


def marks(transition: Transition, phase: str) -> dict[str, str]:
    return {
        TRAFFIC: phase,
        TRAFFIC_ROLLOUT: transition.rollout_id,
        TRAFFIC_SINCE: transition.began,
    }


def mark_tests(transition: Transition, phase: str) -> dict[str, str]:
    """What of it a JSON patch tests."""
    tested = {TRAFFIC: phase, TRAFFIC_ROLLOUT: transition.rollout_id}
    return {
        f"/metadata/annotations/{name.replace('/', '~1')}": value for name, value in tested.items()
    }


def stable_of(transition: Transition) -> RevisionSpec:
    """Raises ClusterRefusedError where there is none to share the traffic with."""
    if transition.stable is None:
        raise ClusterRefusedError(
            "traffic cannot be split: there is no stable revision beside the canary",
            remedy="A first rollout gives all traffic at once; use the strategy AllAtOnce.",
        )
    return transition.stable


def refuse_extras(transition: Transition, traffic: Traffic) -> None:
    """Copies, probes and exceptions by header are a route's; nobody else has them."""
    wanted = {
        "copies of requests": bool(traffic.mirror_percent),
        "probes": traffic.probes,
        "exceptions by header": bool(transition.headers),
    }
    missing = [name for name, asked in wanted.items() if asked]
    if missing:
        raise ClusterRefusedError(
            f"a deployment of the mechanism {transition.mechanism} has no {' and no '.join(missing)}",
            remedy="Use the strategy Canary without them, or a cluster with a Gateway for routes of our own.",
        )
