"""A deployment in a scripted cluster: what is asked of it, and what its users would meet."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from controlplane.adapters.kserve_survey import KServeSurvey
from controlplane.adapters.kubernetes_rollouts import KubernetesRollouts
from controlplane.adapters.rollout_observers import observers
from controlplane.errors import ClusterUnavailableError
from controlplane.serving.cluster_ports import Mechanism, Traffic, Transition, TransitionObservation
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import CATALOG
from controlplane.serving.settings import Autoscaling, DeploymentSettings
from tests.scripted_cluster.groups import SERVICES as LLMS
from tests.scripted_cluster.knative import SERVICES as KNATIVES
from tests.scripted_cluster.kserve import ROUTES, SERVICES
from tests.scripted_cluster.objects import Json
from tests.scripted_cluster.server import ScriptedCluster
from tests.scripted_cluster.workloads import DEPLOYMENTS, SOURCE

GATEWAY = ("headrace-system", "headrace")
REPLICAS = 3
NAME = "vision--digits"


def uri(number: int) -> str:
    return f"s3://models/registry/tenant-acme/vision/digits/{number}"


def revision(number: int, mechanism: Mechanism, rollout_id: str = "") -> RevisionSpec:
    version = ServedVersion(
        model="digits", number=number, uri=uri(number), format="sklearn", files={}
    )
    size = Autoscaling(min_replicas=REPLICAS, max_replicas=REPLICAS)
    runtime = CATALOG["llm" if mechanism is Mechanism.GROUP else "sklearn"]
    return RevisionSpec(
        "acme",
        "vision",
        "digits",
        rollout_id or f"r-{number:08}",
        version,
        runtime,
        DeploymentSettings(autoscaling=size),
    )


def transition(number: int, mechanism: Mechanism, stable: int | None = None) -> Transition:
    return Transition(
        tenant_id="acme",
        project="vision",
        deployment="digits",
        rollout_id=f"r-{number:08}",
        mechanism=mechanism,
        canary=revision(number, mechanism),
        stable=None if stable is None else revision(stable, mechanism, f"r-{number:08}"),
        began=f"2026-01-01T00:{number:02}:00Z",
    )


@dataclass
class World:
    cluster: ScriptedCluster
    mechanism: Mechanism

    @cached_property
    def rollouts(self) -> KubernetesRollouts:
        api = self.cluster.api
        survey = KServeSurvey(api, GATEWAY, "kserve")
        return KubernetesRollouts(api, GATEWAY, observers(GATEWAY), survey)

    def serve(self, number: int = 1) -> None:
        """A first version with all traffic."""
        first = transition(number, self.mechanism)
        self.rollouts.prepare(first)
        self.cluster.settle()
        self.rollouts.promote(first)
        self.cluster.settle()
        self.rollouts.finish(first, promoted=True)
        self.cluster.settle()

    def next(self, number: int = 2, stable: int = 1) -> Transition:
        return transition(number, self.mechanism, stable)

    def service(self) -> Json:
        return self.cluster.objects.found[SERVICES + NAME]

    def traffic(self) -> dict[str, int]:
        """The share of requests that each model answers, by its URI, to the percent."""
        found: dict[str, int] = {}
        for source, share in _SHARES[self.mechanism](self.cluster.objects.found):
            if share:
                found[source] = found.get(source, 0) + share
        total = sum(found.values())
        return {source: round(share * 100 / total) for source, share in found.items()}

    def pods(self, number: int) -> int:
        """Pods that serve a version."""
        return sum(
            int(found.get("status", {}).get("availableReplicas", 0))
            for path, found in self.cluster.objects.found.items()
            if path.startswith(DEPLOYMENTS) and _source(found) == uri(number)
        )

    def shares(self) -> dict[int, int]:
        """`traffic` by version number, those without left out."""
        return {
            int(source.rpartition("/")[2]): share
            for source, share in self.traffic().items()
            if share
        }

    def steps(self, count: int, check: Callable[[], None]) -> None:
        """The controllers go on, and something holds at each point between."""
        check()
        for _ in range(count):
            self.cluster.step()
            check()

    def until_done(self, call: Callable[[], Any]) -> None:
        """As the state machine does: the same call again while no answer comes."""
        for _ in range(5):
            try:
                call()
            except ClusterUnavailableError:
                continue
            return
        raise AssertionError("it never gets through")

    def observe(self, wanted: Transition) -> TransitionObservation:
        return self.rollouts.observe(wanted)

    def shift(self, wanted: Transition, percent: int) -> None:
        self.rollouts.shift(wanted, Traffic(percent))


def without_stable(wanted: Transition) -> Transition:
    return replace(wanted, stable=None)


def _source(deployment: Json) -> str:
    return str(deployment["spec"]["template"]["metadata"]["annotations"][SOURCE])


def _knative(found: dict[str, Json]) -> list[tuple[str, int]]:
    status = found[f"{KNATIVES}{NAME}-predictor"].get("status", {})
    return [
        (_source(found[f"{DEPLOYMENTS}{each['revisionName']}-deployment"]), each["percent"])
        for each in status.get("traffic", [])
    ]


def _route(found: dict[str, Json]) -> list[tuple[str, int]]:
    (rule,) = found[ROUTES + NAME]["spec"]["rules"]
    return [
        (_source(found[DEPLOYMENTS + each["name"]]), each["weight"]) for each in rule["backendRefs"]
    ]


def _group(found: dict[str, Json]) -> list[tuple[str, int]]:
    services = [each for path, each in found.items() if path.startswith(LLMS)]
    members = services[0].get("status", {}).get("router", {}).get("group", {}).get("members", [])
    return [
        (
            found[LLMS + each["name"]]["spec"]["model"]["uri"],
            0 if each.get("stopped") else each["weight"],
        )
        for each in members
    ]


_SHARES = {
    Mechanism.KNATIVE: _knative,
    Mechanism.SPEC_CANARY: _route,
    Mechanism.GROUP: _group,
}
