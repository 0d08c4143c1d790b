"""Deployments, their rollouts and the ticks of these, each change one transaction."""

from collections.abc import Sequence

from controlplane.adapters.dynamodb_deployment_keys import (
    deployment_key,
    history_key,
    rollout_key,
)
from controlplane.adapters.dynamodb_deployment_writes import (
    closing_write,
    deployment_write,
    evidence_write,
    history_write,
    mark_write,
    progress_write,
    rollout_write,
    room_for,
    still_active,
    tick_write,
)
from controlplane.adapters.dynamodb_items import as_item, create, put_over, tombstone
from controlplane.adapters.dynamodb_models import version_key
from controlplane.adapters.dynamodb_projects import deployment_count, project_key
from controlplane.adapters.dynamodb_quotas import refuse_without_room, reservation_writes
from controlplane.adapters.dynamodb_table import (
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
)
from controlplane.errors import (
    ConcurrentChangeError,
    LimitExceededError,
    NotFoundError,
    RequestInFlightError,
)
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.serving.deployment_events import (
    DeploymentCreated,
    DeploymentDeleted,
    RolloutEnded,
    ServingEvent,
)
from controlplane.serving.model import MAX_DEPLOYMENTS, Deployment, Rollout
from controlplane.serving.progress import Tick


class DynamoDBDeployments:
    """A DeploymentRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str, name: str) -> Deployment:
        item = self._table.get(deployment_key(tenant_id, project, name))
        if is_tombstone(item):
            raise NotFoundError(f"there is no deployment {name}")
        return Deployment.model_validate(item)

    def find(
        self, tenant_id: str, project: str, name: str, rollout_id: str | None = None
    ) -> tuple[Deployment | None, Rollout | None]:
        keys = [deployment_key(tenant_id, project, name)]
        if rollout_id is not None:
            keys.append(rollout_key(tenant_id, project, name, rollout_id))
        found = self._table.get_many(keys)
        deployment = found.get(keys[0])
        rollout = found.get(keys[-1]) if rollout_id is not None else None
        return (
            None if is_tombstone(deployment) else Deployment.model_validate(deployment),
            Rollout.model_validate(rollout) if rollout else None,
        )

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[Deployment]:
        found = self._table.query(project_partition(tenant_id, project), "DEPLOYMENT#", page)
        return Page([Deployment.model_validate(item) for item in found.items], found.next_after)

    def get_rollout(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str
    ) -> Rollout:
        item = self._table.get(rollout_key(tenant_id, project, deployment, rollout_id))
        if item is None:
            raise NotFoundError(f"there is no rollout {rollout_id}")
        return Rollout.model_validate(item)

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
        told = {ending.rollout_id: ending for ending in endings}
        held_before = old.held_versions if old else frozenset()
        taken, freed = new.held_versions - held_before, held_before - new.held_versions
        room = room_for(held_before, new.held_versions, limit)
        writes = [
            *reservation_writes(tenant_id, room),
            deployment_write(tenant_id, project, old, new, event),
            *([] if old else [deployment_count(tenant_id, project, 1)]),
            *(rollout_write(tenant_id, project, r, told.get(r.rollout_id)) for r in rollouts),
            *(history_write(tenant_id, project, rollout) for rollout in rollouts),
            *(tick_write(tenant_id, project, new.name, tick) for tick in ticks),
            *(mark_write(tenant_id, project, new, number, "ADD") for number in sorted(taken)),
            *(mark_write(tenant_id, project, new, number, "DELETE") for number in sorted(freed)),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            self._raise_if_gone(tenant_id, project, new.model, taken, cancelled)
            refuse_without_room(self._table, tenant_id, room)
            raise ConcurrentChangeError(
                f"deployment {new.name} has changed meanwhile", remedy="Try again."
            ) from cancelled

    def add(
        self,
        tenant_id: str,
        project: str,
        deployment: Deployment,
        event: DeploymentCreated,
        request: IdempotentRequest | None,
    ) -> Deployment:
        owner = project_key(tenant_id, project)
        if is_tombstone(self._table.get(owner)):
            raise NotFoundError(f"there is no project {project}")
        item = as_item(deployment_key(tenant_id, project, deployment.name), deployment, event)
        counted = deployment_count(tenant_id, project, 1, MAX_DEPLOYMENTS)
        try:
            made = create(self._table, tenant_id, item, request, also=[counted])
        except RequestInFlightError:
            if (self._table.get(owner) or {}).get("deployments", 0) >= MAX_DEPLOYMENTS:
                raise LimitExceededError(
                    f"project {project} has {MAX_DEPLOYMENTS} deployments",
                    remedy="Delete some that are not needed, or use another project.",
                ) from None
            raise
        return Deployment.model_validate(made)

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
        if changed is not None and event is not None:
            root = deployment_write(tenant_id, project, deployment, changed, event)
        else:
            root = still_active(tenant_id, project, deployment)
        ticks = [tick] if tick else []
        reached = rollout.progress.ticks if rollout.progress else 0
        writes = [
            root,
            progress_write(tenant_id, project, rollout, reached - len(ticks)),
            *(tick_write(tenant_id, project, deployment.name, one) for one in ticks),
        ]
        self._change(rollout, writes)

    def record_closing(self, tenant_id: str, project: str, rollout: Rollout, tick: Tick) -> None:
        writes = [
            closing_write(tenant_id, project, rollout, tick),
            tick_write(tenant_id, project, rollout.deployment, tick),
        ]
        self._change(rollout, writes)

    def record_evidence(
        self, tenant_id: str, project: str, rollout: Rollout, evidence: str
    ) -> None:
        keys = (
            rollout_key(tenant_id, project, rollout.deployment, rollout.rollout_id),
            history_key(tenant_id, project, rollout),
        )
        self._change(rollout, [evidence_write(key, evidence) for key in keys])

    def list_rollouts(
        self, tenant_id: str, project: str, deployment: str, page: PageRequest
    ) -> Page[Rollout]:
        found = self._table.query(
            project_partition(tenant_id, project), f"HISTORY#{deployment}#", page, newest=True
        )
        return Page([Rollout.model_validate(item) for item in found.items], found.next_after)

    def list_ticks(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str, page: PageRequest
    ) -> Page[Tick]:
        prefix = f"TICK#{deployment}#{rollout_id}#"
        found = self._table.query(project_partition(tenant_id, project), prefix, page)
        return Page([Tick.model_validate(item) for item in found.items], found.next_after)

    def remove(
        self, tenant_id: str, project: str, deployment: Deployment, event: DeploymentDeleted
    ) -> None:
        key = deployment_key(tenant_id, project, deployment.name)
        gone = put_over(key, tombstone(key, event, deployment.version), deployment.version)
        try:
            self._table.transact([gone, deployment_count(tenant_id, project, -1)])
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError(
                f"deployment {deployment.name} has changed meanwhile"
            ) from changed

    def _change(self, rollout: Rollout, writes: Sequence[Write]) -> None:
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            raise ConcurrentChangeError(
                f"rollout {rollout.rollout_id} has changed meanwhile", remedy="Try again."
            ) from cancelled

    def _raise_if_gone(
        self,
        tenant_id: str,
        project: str,
        model: str,
        taken: frozenset[int],
        cancelled: TransactionCancelledError,
    ) -> None:
        if not taken:
            return
        keys = {version_key(tenant_id, project, model, number): number for number in taken}
        found = self._table.get_many(list(keys))
        for key, number in keys.items():
            if is_tombstone(found.get(key)):
                raise NotFoundError(f"there is no version {number} of {model}") from cancelled
