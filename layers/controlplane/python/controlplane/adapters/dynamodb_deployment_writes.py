"""The single writes that changes of a deployment and of its rollouts are made of."""

from datetime import timedelta

from controlplane.adapters.dynamodb_deployment_keys import (
    deployment_key,
    history_key,
    rollout_key,
    tick_key,
)
from controlplane.adapters.dynamodb_items import PRESENT, VERSION, as_item, put_over, seconds
from controlplane.adapters.dynamodb_models import version_key
from controlplane.adapters.dynamodb_table import Key, Write
from controlplane.limits import Reservation
from controlplane.serving.deployment_events import RolloutEnded, ServingEvent
from controlplane.serving.model import Deployment, Rollout
from controlplane.serving.progress import Tick

TICK_LIFETIME = timedelta(days=90)


def room_for(before: frozenset[int], after: frozenset[int], limit: int | None) -> list[Reservation]:
    """What a deployment that begins, or ceases, to hold any version does to the tenant's quota."""
    more = bool(after) - bool(before)
    if more > 0 and limit is None:
        raise TypeError("a deployment is to hold its first version, but nobody said how many may")
    return [Reservation("deployments", more, limit or 0)]


def deployment_write(
    tenant_id: str, project: str, old: Deployment | None, new: Deployment, event: ServingEvent
) -> Write:
    key = deployment_key(tenant_id, project, new.name)
    known = old.version if old else None
    stored = new.with_changes(version=(known or 0) + 1)
    return put_over(key, as_item(key, stored, event), known)


def rollout_write(
    tenant_id: str, project: str, rollout: Rollout, ending: RolloutEnded | None = None
) -> Write:
    key = rollout_key(tenant_id, project, rollout.deployment, rollout.rollout_id)
    return Write(key, item=as_item(key, rollout, ending))


def history_write(tenant_id: str, project: str, rollout: Rollout) -> Write:
    """What a list shows: neither what the rollout goes by nor how far it is."""
    key = history_key(tenant_id, project, rollout)
    shown = rollout.model_copy(update={"plan": None, "progress": None, "policy": None})
    return Write(key, item=as_item(key, shown))


def evidence_write(key: Key, evidence: str) -> Write:
    return Write(
        key,
        kind="update",
        update="SET evidence = :evidence",
        condition="attribute_exists(pk)",
        values={":evidence": evidence},
    )


def progress_write(tenant_id: str, project: str, rollout: Rollout, known: int) -> Write:
    """The record, unless another tick was stored since it was read with `known` of them."""
    key = rollout_key(tenant_id, project, rollout.deployment, rollout.rollout_id)
    new = "attribute_not_exists(progress) OR " if not known else ""
    return Write(
        key,
        item=as_item(key, rollout),
        condition=f"attribute_exists(pk) AND ({new}progress.ticks = :known)",
        values={":known": known},
    )


def closing_write(tenant_id: str, project: str, rollout: Rollout, tick: Tick) -> Write:
    """The number of the record's ticks, unless another was added since it was read."""
    return Write(
        rollout_key(tenant_id, project, rollout.deployment, rollout.rollout_id),
        kind="update",
        update="SET progress.ticks = :number",
        condition="progress.ticks = :known",
        values={":number": tick.number, ":known": tick.number - 1},
    )


def tick_write(tenant_id: str, project: str, deployment: str, tick: Tick) -> Write:
    key = tick_key(tenant_id, project, deployment, tick)
    expires_at = seconds(tick.at + TICK_LIFETIME)
    return Write(key, item=as_item(key, tick, expires_at=expires_at))


def still_active(tenant_id: str, project: str, deployment: Deployment) -> Write:
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


def mark_write(
    tenant_id: str, project: str, deployment: Deployment, number: int, action: str
) -> Write:
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
