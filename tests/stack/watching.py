"""What a deployment's route and its stable revision's size are, all the time that a test goes on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from types import TracebackType
from typing import Self

from tests.stack.caller import Json
from tests.stack.cluster import ROUTES
from tests.stack.project import Project

WORKLOADS = "/apis/apps/v1/namespaces/{namespace}/deployments"
BETWEEN_SECONDS = 0.1


@dataclass(frozen=True)
class Sighting:
    """The share of each version that has any, and how many replicas of the stable one were available after that."""

    shares: dict[int, int]
    available: int


@dataclass
class Watch:
    """Looks again and again until it is left; what it could not read is raised then."""

    project: Project
    deployment: str = "digits"
    stable: int = 1
    sightings: list[Sighting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cluster = self.project.stack.cluster
        self._stop = Event()
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._looking = self._thread.submit(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.shutdown()
        if error is None:
            self._looking.result()

    @property
    def shares(self) -> list[dict[int, int]]:
        """What the route had, one after the other, without repeats."""
        found: list[dict[int, int]] = []
        for sighting in list(self.sightings):
            if not found or found[-1] != sighting.shares:
                found.append(sighting.shares)
        return found

    @property
    def available(self) -> int:
        return self.sightings[-1].available if self.sightings else 0

    def _run(self) -> None:
        while not self._stop.wait(BETWEEN_SECONDS):
            self._look()

    def _look(self) -> None:
        """The shares first: what carries them must be there for longer than they are."""
        place, project = self.project.namespace, self.project
        route = self._cluster.find(ROUTES, place, f"{project.name}--{self.deployment}")
        name = f"{project.revision_name(self.deployment, self.stable)}-predictor"
        workload = self._cluster.find(WORKLOADS, place, name) or {}
        if route is not None:
            available = int(workload.get("status", {}).get("availableReplicas", 0))
            self.sightings.append(Sighting(shares_of(route), available))


def shares_of(route: Json) -> dict[int, int]:
    """The share of each version by the route's own rule, less those that get nothing."""
    return {
        int(backend["name"].removesuffix("-predictor").rpartition("--v")[2]): backend["weight"]
        for backend in route["spec"]["rules"][0]["backendRefs"]
        if backend["weight"]
    }
