"""Versions by what they were made of: LINEAGE#<origin>#<reference>#<model>#<number> in the project's partition.

A link is written in the transaction that says what the version was made of, and taken away with the version.
"""

from collections.abc import Iterator

from controlplane.adapters.dynamodb_items import as_item, unannounced_tombstone
from controlplane.adapters.dynamodb_table import Key, Table, Write, project_partition
from controlplane.registry.lineage import LineageLink, Origin, OriginOfVersions, origins_of
from controlplane.registry.model import ModelVersion
from controlplane.requests import Page, PageRequest


class DynamoDBLineage:
    """A LineageRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list(
        self, tenant_id: str, project: str, origin: OriginOfVersions, page: PageRequest
    ) -> Page[LineageLink]:
        pk, prefix = project_partition(tenant_id, project), _prefix(origin.origin, origin.reference)
        found = self._table.query(pk, prefix, page)
        return Page([LineageLink.model_validate(item) for item in found.items], found.next_after)


def link_writes(tenant_id: str, project: str, version: ModelVersion) -> Iterator[Write]:
    """What a version was made of, as it is known now."""
    for key in _keys(tenant_id, project, version):
        yield Write(key, item=as_item(key, LineageLink.of(version)))


def unlink_writes(tenant_id: str, project: str, version: ModelVersion) -> Iterator[Write]:
    """The version is no more; its links stay for a while as tombstones, like every deleted item."""
    yield from map(unannounced_tombstone, _keys(tenant_id, project, version))


def _keys(tenant_id: str, project: str, version: ModelVersion) -> Iterator[Key]:
    pk = project_partition(tenant_id, project)
    for origin, reference in origins_of(version).items():
        yield Key(pk, f"{_prefix(origin, reference)}{version.model}#{version.number:08d}")


def _prefix(origin: Origin, reference: str | None) -> str:
    return f"LINEAGE#{origin}#" + (f"{reference}#" if reference else "")
