"""What a tenant uses of its quotas: one item QUOTAS in its partition, a number a quota.

A change that needs room adds to the number in its own transaction, on the condition that there is room: two changes
cannot both take the last place, and no change can be made without being counted.
"""

from collections.abc import Sequence

from controlplane.adapters.dynamodb_table import Key, Table, Write, tenant_partition
from controlplane.limits import Reservation, quota_exceeded


def quotas_key(tenant_id: str) -> Key:
    return Key(tenant_partition(tenant_id), "QUOTAS")


def reservation_writes(tenant_id: str, reservations: Sequence[Reservation]) -> list[Write]:
    """The part of a transaction that takes the room, or gives it back; none when there is nothing to count."""
    changes = [reservation for reservation in reservations if reservation.amount]
    if not changes:
        return []
    names, values, conditions = {"#version": "version"}, {":one": 1}, []
    for change in changes:
        name, room = f"#{change.quota}", change.limit - change.amount
        names[name] = change.quota
        values[f":{change.quota}"] = change.amount
        if change.amount > 0:
            values[f":{change.quota}_room"] = room
            enough = f"{name} <= :{change.quota}_room"
            conditions.append(
                f"(attribute_not_exists({name}) OR {enough})" if room >= 0 else enough
            )
    added = ", ".join(f"#{change.quota} :{change.quota}" for change in changes)
    return [
        Write(
            quotas_key(tenant_id),
            kind="update",
            update=f"ADD {added}, #version :one",
            condition=" AND ".join(conditions),
            names=names,
            values=values,
        )
    ]


def refuse_without_room(table: Table, tenant_id: str, reservations: Sequence[Reservation]) -> None:
    """Ask whether a cancelled transaction lacked room. Raises QuotaExceededError with limit, use and remedy."""
    wanted = [reservation for reservation in reservations if reservation.amount > 0]
    if not wanted:
        return
    used = table.get(quotas_key(tenant_id)) or {}
    for reservation in wanted:
        present = int(used.get(reservation.quota, 0))
        if present + reservation.amount > reservation.limit:
            raise quota_exceeded(reservation, present)
