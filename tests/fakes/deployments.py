"""Deployments and rollouts, and what serving sees of the registry."""

from collections.abc import Sequence

from controlplane.errors import NotFoundError
from controlplane.identifiers import now
from controlplane.limits import Limits, Reservation
from controlplane.reasons import Reason
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.serving.deployment_events import (
    DeploymentCreated,
    DeploymentDeleted,
    RolloutEnded,
    ServingEvent,
    ServingPolicyChanged,
)
from controlplane.serving.model import Deployment, ObjectPin, Rollout, ServedVersion
from controlplane.serving.progress import Tick
from controlplane.serving.project_policy import ServingPolicy
from tests.fakes.table import MemoryTable, create, page_of, require, reserve


class MemoryDeployments:
    """A DeploymentRepository: it marks the versions that a deployment holds, as the promise says."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str, name: str) -> Deployment:
        deployment, _ = self.find(tenant_id, project, name)
        if deployment is None:
            raise NotFoundError(f"there is no deployment {name}")
        return deployment

    def find(
        self, tenant_id: str, project: str, name: str, rollout_id: str | None = None
    ) -> tuple[Deployment | None, Rollout | None]:
        place = (tenant_id, project, name)
        rollout = self._table.rollouts.get((*place, rollout_id)) if rollout_id else None
        return self._table.deployments.get(place), rollout

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[Deployment]:
        place = (tenant_id, project)
        own = {at[2]: found for at, found in self._table.deployments.items() if at[:2] == place}
        return page_of(own, page)

    def get_rollout(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str
    ) -> Rollout:
        _, rollout = self.find(tenant_id, project, deployment, rollout_id)
        if rollout is None:
            raise NotFoundError(f"there is no rollout {rollout_id}")
        return rollout

    def save(
        self,
        tenant_id: str,
        project: str,
        old: Deployment | None,
        new: Deployment,
        rollouts: Sequence[Rollout],
        event: ServingEvent,
        *,
        limit: int | None = None,
        ticks: Sequence[Tick] = (),
        endings: Sequence[RolloutEnded] = (),
    ) -> None:
        self._table.begin_write()
        place = (tenant_id, project, new.name)
        held_before = old.held_versions if old else frozenset()
        for number in new.held_versions - held_before:
            if (tenant_id, project, new.model, number) not in self._table.versions:
                raise NotFoundError(f"there is no version {number} of {new.model}")
        stored = self._table.deployments.get(place)
        require((stored and stored.version) == (old and old.version))
        more = bool(new.held_versions) - bool(held_before)
        if more > 0 and limit is None:
            raise TypeError(
                "a deployment is to hold its first version, but nobody said how many may"
            )
        reserve(self._table, tenant_id, [Reservation("deployments", more, limit or 0)])
        if old is None:
            self._count(tenant_id, project, 1)
        version = (old.version if old else 0) + 1
        self._table.deployments[place] = new.with_changes(version=version)
        for rollout in rollouts:
            self._table.rollouts[*place, rollout.rollout_id] = rollout
        for tick in ticks:
            self._table.ticks[*place, tick.rollout_id, tick.number] = tick
        for number in new.held_versions ^ held_before:
            self._mark(tenant_id, project, new, number, held=number in new.held_versions)
        self._table.events += [*endings, event]

    def add(
        self,
        tenant_id: str,
        project: str,
        deployment: Deployment,
        event: DeploymentCreated,
        request: IdempotentRequest | None,
    ) -> Deployment:
        if (tenant_id, project) not in self._table.projects:
            raise NotFoundError(f"there is no project {project}")
        place = (tenant_id, project, deployment.name)
        items = self._table.deployments
        stored = create(self._table, items, place, deployment, request, now())
        if stored is deployment:
            self._count(tenant_id, project, 1)
            self._table.events.append(event)
        return stored

    def save_progress(
        self,
        tenant_id: str,
        project: str,
        deployment: Deployment,
        rollout: Rollout,
        *,
        tick: Tick | None = None,
        changed: Deployment | None = None,
        event: ServingEvent | None = None,
    ) -> None:
        self._table.begin_write()
        place = (tenant_id, project, deployment.name)
        stored = self._table.deployments.get(place)
        require(stored is not None)
        assert stored is not None
        reached = rollout.progress.ticks if rollout.progress else 0
        known = self._table.rollouts[*place, rollout.rollout_id].progress
        require((known.ticks if known else 0) == reached - bool(tick))
        if changed is not None and event is not None:
            require(stored.version == deployment.version)
            self._table.deployments[place] = changed.with_changes(version=stored.version + 1)
            self._table.events.append(event)
        else:
            assert deployment.active is not None
            mine = (deployment.active.rollout_id, deployment.active.execution)
            active = stored.active
            require(active is not None and (active.rollout_id, active.execution) == mine)
        self._table.rollouts[*place, rollout.rollout_id] = rollout
        if tick is not None:
            self._table.ticks[*place, tick.rollout_id, tick.number] = tick

    def record_closing(self, tenant_id: str, project: str, rollout: Rollout, tick: Tick) -> None:
        self._table.begin_write()
        place = (tenant_id, project, rollout.deployment, rollout.rollout_id)
        stored = self._table.rollouts[place]
        require(stored.progress is not None and stored.progress.ticks == tick.number - 1)
        assert stored.progress is not None
        progress = stored.progress.with_changes(ticks=tick.number)
        self._table.rollouts[place] = stored.model_copy(update={"progress": progress})
        self._table.ticks[*place, tick.number] = tick

    def record_evidence(
        self, tenant_id: str, project: str, rollout: Rollout, evidence: str
    ) -> None:
        place = (tenant_id, project, rollout.deployment, rollout.rollout_id)
        stored = self._table.rollouts[place]
        self._table.rollouts[place] = stored.model_copy(update={"evidence": evidence})

    def list_rollouts(
        self, tenant_id: str, project: str, deployment: str, page: PageRequest
    ) -> Page[Rollout]:
        place = (tenant_id, project, deployment)
        own = {
            f"{rollout.requested_at.isoformat()}#{at[3]}": rollout
            for at, rollout in self._table.rollouts.items()
            if at[:3] == place
        }
        return page_of(own, page, newest=True)

    def list_ticks(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str, page: PageRequest
    ) -> Page[Tick]:
        place = (tenant_id, project, deployment, rollout_id)
        own = {f"{at[4]:06d}": tick for at, tick in self._table.ticks.items() if at[:4] == place}
        return page_of(own, page)

    def remove(
        self, tenant_id: str, project: str, deployment: Deployment, event: DeploymentDeleted
    ) -> None:
        self._table.begin_write()
        place = (tenant_id, project, deployment.name)
        stored = self._table.deployments.get(place)
        require(stored is not None and stored.version == deployment.version)
        del self._table.deployments[place]
        self._count(tenant_id, project, -1)
        self._table.events.append(event)

    def _count(self, tenant_id: str, project: str, more: int) -> None:
        found = self._table.projects[tenant_id, project]
        self._table.projects[tenant_id, project] = found.model_copy(
            update={"deployments": found.deployments + more, "version": found.version + 1}
        )

    def _mark(
        self, tenant_id: str, project: str, deployment: Deployment, number: int, *, held: bool
    ) -> None:
        place = (tenant_id, project, deployment.model, number)
        version = self._table.versions[place]
        others = set(version.served_by) - {deployment.name}
        served_by = tuple(sorted(others | {deployment.name} if held else others))
        self._table.versions[place] = version.model_copy(
            update={"served_by": served_by, "version": version.version + 1}
        )


class MemoryVersionCatalog:
    """A VersionCatalog. `obstacles` are by the version's number; for others there are none."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table
        self.obstacles: dict[int, list[Reason]] = {}

    def get_candidate(
        self, tenant_id: str, project: str, model: str, number: int
    ) -> tuple[ServedVersion, Sequence[Reason]]:
        version = self.get_version(tenant_id, project, model, number)
        return version, self.obstacles.get(number, [])

    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ServedVersion:
        version = self._table.versions.get((tenant_id, project, model, number))
        if version is None:
            raise NotFoundError(f"there is no version {number} of model {model}")
        return ServedVersion(
            model=model,
            number=number,
            uri=version.uri,
            format=version.format,
            files={file.path: file.sha256 for file in version.files},
            pins={
                file.path: ObjectPin(size=file.size, version_id=file.version_id)
                for file in version.files
            },
        )


class MemoryLimits:
    """A LimitDirectory."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def max_deployments(self, tenant_id: str) -> int:
        return self._table.tenants.get(tenant_id, Limits()).deployments


class MemoryAliasDirectory:
    """An AliasDirectory; `versions` are by the alias's name, for every model."""

    def __init__(self, versions: dict[str, int] | None = None) -> None:
        self.versions = versions or {}

    def version_of(self, tenant_id: str, project: str, model: str, alias: str) -> int:
        try:
            return self.versions[alias]
        except KeyError:
            of = f"{tenant_id}/{project}/{model}"
            raise NotFoundError(f"model {of} has no alias {alias}") from None


class MemoryServingPolicies:
    """A ServingPolicyRepository."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str) -> ServingPolicy:
        if (tenant_id, project) not in self._table.projects:
            raise NotFoundError(f"there is no project {project}")
        return self._table.serving_policies.get((tenant_id, project), ServingPolicy())

    def put(
        self, tenant_id: str, project: str, policy: ServingPolicy, event: ServingPolicyChanged
    ) -> None:
        require(self.get(tenant_id, project).version == policy.version - 1)
        self._table.serving_policies[tenant_id, project] = policy
        self._table.events.append(event)
