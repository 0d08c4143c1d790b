"""What the tests of traps have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controlplane.adapters.rollout_compilers import PlannedRollouts
from controlplane.serving.cluster_ports import Mechanism, Traffic, Transition
from tests.scripted_cluster.kserve import Release
from tests.scripted_cluster.server import scripted_cluster
from tests.scripted_cluster.workloads import DEPLOYMENTS
from tests.scripted_cluster.world import GATEWAY, REPLICAS, World

ROOT = Path(__file__).parents[2]
KNATIVE, SPEC_CANARY, GROUP = Mechanism.KNATIVE, Mechanism.SPEC_CANARY, Mechanism.GROUP
PLANS = PlannedRollouts(GATEWAY)


@contextmanager
def serving(mechanism: Mechanism, release: Release | None = None) -> Iterator[World]:
    with scripted_cluster(release) as cluster:
        world = World(cluster, mechanism)
        world.serve()
        yield world


def prepared(world: World) -> Transition:
    wanted = world.next()
    world.rollouts.prepare(wanted)
    world.cluster.settle()
    return wanted


def route_of(wanted: Transition, traffic: Traffic) -> Any:
    (change,) = PLANS.shift(wanted, traffic)
    return change.body


def predictors_of(changes: Any) -> list[dict[str, Any]]:
    found = []
    for change in changes:
        spec = change.body["spec"]
        found += [each["predictor"] for each in spec.get("canary", [])]
        found += [spec["predictor"]] if "model" in spec.get("predictor", {}) else []
    return found


def only(world: World, number: int) -> None:
    assert world.shares() == {number: 100}


def at_least(world: World, number: int) -> None:
    assert world.pods(number) >= REPLICAS


def set_available(world: World, name: str, replicas: int) -> None:
    found = world.cluster.objects.found[DEPLOYMENTS + name]
    status = {**found["status"], "availableReplicas": replicas}
    world.cluster.objects.put(DEPLOYMENTS + name, {**found, "status": status})
