"""Aliases: ALIASES#<model> holds all of a model's, ALIASMOVE#<model>#<alias>#<sequence> what became of each.

A version is marked with the names that point at it; while there are any it cannot be deleted.
"""

from collections.abc import Sequence

from controlplane.adapters.dynamodb_items import PRESENT, VERSION, as_item, put_over
from controlplane.adapters.dynamodb_models import (
    DynamoDBModels,
    aliases_key,
    model_key,
    policy_of,
    version_key,
    version_of,
)
from controlplane.adapters.dynamodb_project_keys import registry_policy_key
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.registry.aliases import LATEST, Aliases, AliasRecord
from controlplane.registry.governance_ports import AliasCase
from controlplane.registry.model import AliasesMoved, ModelVersion
from controlplane.registry.moves import newest_version
from controlplane.requests import Page, PageRequest


class DynamoDBAliases:
    """An AliasRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str, model: str) -> Aliases:
        of_model, key = model_key(tenant_id, project, model), aliases_key(tenant_id, project, model)
        found = self._table.get_many([of_model, key])
        if not found.get(of_model, {}).get("versions"):
            raise NotFoundError(f"there is no model {model}")
        return aliases_of(model, found.get(key))

    def find(self, tenant_id: str, project: str, model: str) -> Aliases:
        return aliases_of(model, self._table.get(aliases_key(tenant_id, project, model)))

    def get_case(
        self, tenant_id: str, project: str, model: str, numbers: Sequence[int]
    ) -> AliasCase:
        key = aliases_key(tenant_id, project, model)
        policy = registry_policy_key(tenant_id, project)
        versions = {number: version_key(tenant_id, project, model, number) for number in numbers}
        found = self._table.get_many([key, policy, *versions.values()])
        return AliasCase(
            aliases_of(model, found.get(key)),
            {
                number: version_of(found[at])
                for number, at in versions.items()
                if not is_tombstone(found.get(at))
            },
            policy_of(found.get(policy)),
        )

    def save(
        self,
        tenant_id: str,
        project: str,
        known: Aliases,
        moved: Aliases,
        records: Sequence[AliasRecord],
        champion: ModelVersion | None,
        event: AliasesMoved | None,
    ) -> None:
        key = aliases_key(tenant_id, project, known.model)
        touched = {n for record in records for n in (record.model_version, record.previous) if n}
        writes = [
            put_over(key, as_item(key, moved, event), known.version or None),
            *(_record_write(tenant_id, project, known.model, record) for record in records),
            *(_mark(tenant_id, project, moved, n, champion) for n in sorted(touched)),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            self._raise_if_gone(tenant_id, project, moved, touched, cancelled)
            raise ConcurrentChangeError(
                f"the aliases of model {known.model}, or what they name, have changed meanwhile",
                remedy="Try again.",
            ) from cancelled

    def history(
        self, tenant_id: str, project: str, model: str, alias: str, page: PageRequest
    ) -> Page[AliasRecord]:
        pk = project_partition(tenant_id, project)
        found = self._table.query(pk, f"ALIASMOVE#{model}#{alias}#", page, newest=True)
        return Page([AliasRecord.model_validate(item) for item in found.items], found.next_after)

    def _raise_if_gone(
        self,
        tenant_id: str,
        project: str,
        moved: Aliases,
        touched: set[int],
        cancelled: TransactionCancelledError,
    ) -> None:
        keys = {version_key(tenant_id, project, moved.model, n): n for n in touched}
        found = self._table.get_many(list(keys))
        for key, number in keys.items():
            if is_tombstone(found.get(key)) and moved.names_of(number):
                raise NotFoundError(f"there is no version {number} of {moved.model}") from cancelled


class DynamoDBAliasDirectory:
    """Serving's AliasDirectory."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def version_of(self, tenant_id: str, project: str, model: str, alias: str) -> int:
        if alias == LATEST:
            models = DynamoDBModels(self._table)
            return newest_version(tenant_id, project, model, models).number
        stored = self._table.get(aliases_key(tenant_id, project, model))
        state = aliases_of(model, stored).named.get(alias)
        if state is None:
            raise NotFoundError(f"model {model} has no alias {alias}")
        return state.model_version


def aliases_of(model: str, item: Item | None) -> Aliases:
    """None yet for a model whose item is not there."""
    return Aliases.model_validate(item) if item else Aliases(model=model)


def alias_move_key(tenant_id: str, project: str, model: str, record: AliasRecord) -> Key:
    sk = f"ALIASMOVE#{model}#{record.alias}#{record.sequence:012d}"
    return Key(project_partition(tenant_id, project), sk)


def _record_write(tenant_id: str, project: str, model: str, record: AliasRecord) -> Write:
    key = alias_move_key(tenant_id, project, model, record)
    return Write(key, item=as_item(key, record))


def _mark(
    tenant_id: str, project: str, moved: Aliases, number: int, champion: ModelVersion | None
) -> Write:
    """Note in a version's item all the names that point at it now; the aliases' own item guards them.

    Of the version that becomes the champion the metrics were copied: it must be as it was read.
    """
    names = set(moved.names_of(number))
    changing = "SET aliases = :names" if names else "REMOVE aliases"
    condition, values = PRESENT, {":one": 1} | ({":names": names} if names else {})
    if champion is not None and champion.number == number:
        condition = f"{PRESENT} AND #version = :known"
        values |= {":known": champion.version}
    return Write(
        version_key(tenant_id, project, moved.model, number),
        kind="update",
        update=f"{changing} ADD #version :one",
        condition=condition,
        names=VERSION,
        values=values,
    )
