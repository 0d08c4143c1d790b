"""A cluster whose revisions become ready, fail or hang as a test says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controlplane.errors import ClusterUnavailableError, ConcurrentChangeError, HeadraceError
from controlplane.serving.ports import RevisionObservation, RevisionSpec, RevisionState

READY = RevisionObservation(RevisionState.READY)
PROGRESSING = RevisionObservation(RevisionState.PROGRESSING, "Progressing", "not yet")
MISSING = RevisionObservation(RevisionState.MISSING, "NotFound", "it is not in the cluster")


@dataclass
class MemoryCluster:
    """A RevisionCluster.

    `outcomes` says how a revision of a model version looks, READY where nothing is said. `faults` are raised by the
    next calls, one each. `interrupts` run once, just before the next call of the method that they are kept under.
    """

    outcomes: dict[int, RevisionObservation] = field(default_factory=dict)
    faults: list[HeadraceError] = field(default_factory=list)
    revisions: dict[tuple[str, str], RevisionSpec] = field(default_factory=dict)
    routes: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    interrupts: dict[str, Callable[[], None]] = field(default_factory=dict)
    _generations: dict[tuple[str, str], int] = field(default_factory=dict)

    def fail_next(self, calls: int) -> None:
        self.faults += [ClusterUnavailableError("the cluster's API did not answer")] * calls

    def touch(self, tenant_id: str, name: str) -> None:
        """Something in the cluster changed the object, as its controller does."""
        self._generations[tenant_id, name] = self._generations.get((tenant_id, name), 0) + 1

    def apply_revision(self, spec: RevisionSpec) -> None:
        self._answer("apply_revision")
        name = f"{spec.project}--{spec.deployment}--v{spec.version.number}"
        self.revisions[spec.tenant_id, name] = spec
        self.touch(spec.tenant_id, name)

    def observe_revision(self, tenant_id: str, name: str) -> RevisionObservation:
        self._answer("observe_revision")
        spec = self.revisions.get((tenant_id, name))
        return MISSING if spec is None else self.outcomes.get(spec.version.number, READY)

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
        self.deleted.append(name)

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> None:
        self._answer("apply_route")
        self.routes[tenant_id, project, deployment] = dict(weights)

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        self._answer("find_weights")
        return self.routes.get((tenant_id, project, deployment))

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        self._answer("delete_route")
        self.routes.pop((tenant_id, project, deployment), None)

    def _answer(self, call: str) -> None:
        pending = self.interrupts.pop(call, None)
        if pending is not None:
            pending()
        if self.faults:
            raise self.faults.pop(0)
