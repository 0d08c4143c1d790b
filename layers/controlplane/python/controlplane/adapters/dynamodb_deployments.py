"""Deployments and their rollouts, in the project's partition.

DEPLOYMENT#<name>, ROLLOUT#<name>#<id>, and beside each rollout HISTORY#<name>#<when it was asked for>#<id>: what a list
shows, in its order. TICK#<name>#<id>#<number> expire after 90 days.
"""

from collections.abc import Sequence
from datetime import timedelta

from controlplane.adapters.dynamodb_items import (
    PRESENT,
    VERSION,
    as_item,
    create,
    put_over,
    seconds,
    tombstone,
)
from controlplane.adapters.dynamodb_models import version_key
from controlplane.adapters.dynamodb_projects import deployment_count, project_key
from controlplane.adapters.dynamodb_quotas import refuse_without_room, reservation_writes
from controlplane.adapters.dynamodb_table import (
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
)
from controlplane.adapters.dynamodb_tenants import tenant_key
from controlplane.errors import (
    ConcurrentChangeError,
    LimitExceededError,
    NotFoundError,
    RequestInFlightError,
)
from controlplane.limits import Reservation
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.serving.deployment_events import (
    DeploymentCreated,
    DeploymentDeleted,
    RolloutEnded,
    ServingEvent,
)
from controlplane.serving.model import MAX_DEPLOYMENTS, Deployment, Rollout
from controlplane.serving.progress import Tick
from controlplane.tenancy.model import Tenant

TICK_LIFETIME = timedelta(days=90)


def deployment_key(tenant_id: str, project: str, name: str) -> Key:
    return Key(project_partition(tenant_id, project), f"DEPLOYMENT#{name}")


def rollout_key(tenant_id: str, project: str, deployment: str, rollout_id: str) -> Key:
    return Key(project_partition(tenant_id, project), f"ROLLOUT#{deployment}#{rollout_id}")


def history_key(tenant_id: str, project: str, rollout: Rollout) -> Key:
    asked = f"{rollout.requested_at:%Y-%m-%dT%H:%M:%S.%f}"
    sk = f"HISTORY#{rollout.deployment}#{asked}#{rollout.rollout_id}"
    return Key(project_partition(tenant_id, project), sk)


def tick_key(tenant_id: str, project: str, deployment: str, tick: Tick) -> Key:
    sk = f"TICK#{deployment}#{tick.rollout_id}#{tick.number:06d}"
    return Key(project_partition(tenant_id, project), sk)


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
        room = _room(held_before, new.held_versions, limit)
        writes = [
            *reservation_writes(tenant_id, room),
            _deployment_write(tenant_id, project, old, new, event),
            *([] if old else [deployment_count(tenant_id, project, 1)]),
            *(_rollout_write(tenant_id, project, r, told.get(r.rollout_id)) for r in rollouts),
            *(_history_write(tenant_id, project, rollout) for rollout in rollouts),
            *(_tick_write(tenant_id, project, new.name, tick) for tick in ticks),
            *(_mark(tenant_id, project, new, number, "ADD") for number in sorted(taken)),
            *(_mark(tenant_id, project, new, number, "DELETE") for number in sorted(freed)),
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
            root = _deployment_write(tenant_id, project, deployment, changed, event)
        else:
            root = _still_active(tenant_id, project, deployment)
        ticks = [tick] if tick else []
        reached = rollout.progress.ticks if rollout.progress else 0
        writes = [
            root,
            _progress_write(tenant_id, project, rollout, reached - len(ticks)),
            *(_tick_write(tenant_id, project, deployment.name, one) for one in ticks),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            raise ConcurrentChangeError(
                f"rollout {rollout.rollout_id} has changed meanwhile", remedy="Try again."
            ) from cancelled

    def record_evidence(
        self, tenant_id: str, project: str, rollout: Rollout, evidence: str
    ) -> None:
        keys = (
            rollout_key(tenant_id, project, rollout.deployment, rollout.rollout_id),
            history_key(tenant_id, project, rollout),
        )
        try:
            self._table.transact([_evidence_write(key, evidence) for key in keys])
        except TransactionCancelledError as cancelled:
            raise ConcurrentChangeError(
                f"rollout {rollout.rollout_id} has changed meanwhile", remedy="Try again."
            ) from cancelled

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


class DynamoDBLimits:
    """Serving's LimitDirectory."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def max_deployments(self, tenant_id: str) -> int:
        item = self._table.get(tenant_key(tenant_id))
        if item is None:
            raise NotFoundError(f"there is no tenant {tenant_id}")
        return Tenant.model_validate(item).limits.deployments


def _room(before: frozenset[int], after: frozenset[int], limit: int | None) -> list[Reservation]:
    """What a deployment that begins, or ceases, to hold any version does to the tenant's quota."""
    more = bool(after) - bool(before)
    if more > 0 and limit is None:
        raise TypeError("a deployment is to hold its first version, but nobody said how many may")
    return [Reservation("deployments", more, limit or 0)]


def _deployment_write(
    tenant_id: str, project: str, old: Deployment | None, new: Deployment, event: ServingEvent
) -> Write:
    key = deployment_key(tenant_id, project, new.name)
    known = old.version if old else None
    stored = new.with_changes(version=(known or 0) + 1)
    return put_over(key, as_item(key, stored, event), known)


def _rollout_write(
    tenant_id: str, project: str, rollout: Rollout, ending: RolloutEnded | None = None
) -> Write:
    key = rollout_key(tenant_id, project, rollout.deployment, rollout.rollout_id)
    return Write(key, item=as_item(key, rollout, ending))


def _history_write(tenant_id: str, project: str, rollout: Rollout) -> Write:
    """What a list shows: neither what the rollout goes by nor how far it is."""
    key = history_key(tenant_id, project, rollout)
    shown = rollout.model_copy(update={"plan": None, "progress": None, "policy": None})
    return Write(key, item=as_item(key, shown))


def _evidence_write(key: Key, evidence: str) -> Write:
    return Write(
        key,
        kind="update",
        update="SET evidence = :evidence",
        condition="attribute_exists(pk)",
        values={":evidence": evidence},
    )


def _progress_write(tenant_id: str, project: str, rollout: Rollout, known: int) -> Write:
    """The record, unless another tick was stored since it was read with `known` of them."""
    key = rollout_key(tenant_id, project, rollout.deployment, rollout.rollout_id)
    new = "attribute_not_exists(progress) OR " if not known else ""
    return Write(
        key,
        item=as_item(key, rollout),
        condition=f"attribute_exists(pk) AND ({new}progress.ticks = :known)",
        values={":known": known},
    )


def _tick_write(tenant_id: str, project: str, deployment: str, tick: Tick) -> Write:
    key = tick_key(tenant_id, project, deployment, tick)
    expires_at = seconds(tick.at + TICK_LIFETIME)
    return Write(key, item=as_item(key, tick, expires_at=expires_at))


def _still_active(tenant_id: str, project: str, deployment: Deployment) -> Write:
    """The deployment's active rollout is carried out by the same execution as before."""
    if deployment.active is None:
        raise TypeError("only a rollout that is carried out makes progress")
    return Write(
        deployment_key(tenant_id, project, deployment.name),
        kind="check",
        condition="#active.rollout_id = :rollout AND #active.#execution = :execution",
        names={"#active": "active", "#execution": "execution"},
        values={
            ":rollout": deployment.active.rollout_id,
            ":execution": deployment.active.execution,
        },
    )


def _mark(tenant_id: str, project: str, deployment: Deployment, number: int, action: str) -> Write:
    """Note in a version's item that the deployment holds it, or does so no longer."""
    return Write(
        version_key(tenant_id, project, deployment.model, number),
        kind="update",
        update=f"{action} served_by :deployment"
        + (", #version :one" if action == "ADD" else " ADD #version :one"),
        condition=PRESENT,
        names=VERSION,
        values={":deployment": {deployment.name}, ":one": 1},
    )
