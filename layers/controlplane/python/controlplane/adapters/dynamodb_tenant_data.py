"""Everything that a tenant has in the table: exported as JSON Lines, and removed.

What is below a project has a partition of its own, found through the project's item or the tombstone of it. The
audit trail is exported and stays: its chain must go on to tell who took the tenant away.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.adapters.dynamodb_items import UNCHANGED, VERSION, tombstone
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Key,
    Table,
    Write,
    is_tombstone,
    project_partition,
    tenant_partition,
)
from controlplane.errors import ConcurrentChangeError, InUseError, UnavailableError
from controlplane.events import SYSTEM
from controlplane.onboarding.model import TenantRecord
from controlplane.onboarding.ports import Removal
from controlplane.projects.model import ProjectDeleted
from controlplane.requests import PageRequest
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.service import delete_deployment

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

PROJECTS = "PROJECT#"
ROOT = "TENANT"
PAGE = 500  # items of one object of the export, and of one round of deletions
PAGES_A_CALL = 10
PROJECTS_A_CALL = 20
# What is remembered of requests is no record of the tenant's, and no secret's digest leaves the table.
_NOT_EXPORTED = "IDEMPOTENCY#"
_SECRET_ATTRIBUTES = frozenset({"digest", "secret_digest", "event"})


def project_names(table: Table, tenant_id: str, page: PageRequest) -> tuple[list[str], str | None]:
    """The names of projects, deleted ones included, and the sort key to go on after."""
    found = table.query_all(tenant_partition(tenant_id), page, PROJECTS)
    return [item["sk"].removeprefix(PROJECTS) for item in found.items], found.next_after


class TenantDeployments:
    """A TenantPart that closes the tenant's projects and takes its deployments out of service.

    A closed project takes no new version, so nothing begins to be served that would not be seen here; rollouts that
    run come to their end first.
    """

    def __init__(self, table: Table, deployments: DeploymentRepository) -> None:
        self._table = table
        self._deployments = deployments

    def apply(self, _tenant: TenantRecord, /) -> str | None:
        return None

    def remove(self, tenant: TenantRecord, position: str | None, /) -> Removal:
        page = PageRequest(PROJECTS_A_CALL, position)
        found = self._table.query_all(tenant_partition(tenant.tenant_id), page, PROJECTS)
        asked, left = 0, False
        for item in found.items:
            self._close(tenant.tenant_id, item)
            name = item["sk"].removeprefix(PROJECTS)
            more, serving = self._stop(tenant.tenant_id, name)
            asked, left = asked + more, left or serving
        if left:
            return Removal(gone=False, count=asked, position=position)
        return Removal(found.next_after is None, asked, found.next_after)

    def _close(self, tenant_id: str, item: Item) -> None:
        if is_tombstone(item):
            return
        key, version = Key(item["pk"], item["sk"]), int(item["version"])
        event = ProjectDeleted(
            tenant_id=tenant_id, project=item["sk"].removeprefix(PROJECTS), deleted_by=SYSTEM
        )
        closed = tombstone(key, event, version)
        del closed["expires_at"]  # what lies below the project is found through it
        condition, values = UNCHANGED, {":known": version}
        try:
            self._table.put(Write(key, closed, condition=condition, names=VERSION, values=values))
        except ConditionFailedError as changed:
            raise ConcurrentChangeError(f"project {key.sk} has changed meanwhile") from changed

    def _stop(self, tenant_id: str, project: str) -> tuple[int, bool]:
        """How many deployments were asked to go, and whether any is still there."""
        asked, left, page = 0, False, PageRequest()
        while True:
            found = self._deployments.list(tenant_id, project, page)
            for deployment in found.items:
                left = True
                if deployment.deleting:
                    continue
                try:
                    delete_deployment(
                        tenant_id,
                        project,
                        deployment.name,
                        SYSTEM,
                        None,
                        deployments=self._deployments,
                    )
                except InUseError:
                    continue  # its rollout ends by itself, at its deadline at the latest
                asked += 1
            if found.next_after is None:
                return asked, left
            page = PageRequest(after=found.next_after)


@dataclass(frozen=True)
class _Place:
    """Where an export goes on: the number of the next object, a partition and a sort key in it."""

    number: int = 1
    partition: str = ""
    after: str | None = None

    @classmethod
    def parse(cls, text: str | None) -> "_Place":
        return cls(**json.loads(text)) if text else cls()

    def __str__(self) -> str:
        return json.dumps(vars(self))


class TenantExport:
    """A TenantPart that writes all records of a tenant to `exports/<tenant>/<moment>/` in the models bucket.

    An object holds up to 500 records, one a line, as they are in the table. Writing an object again is harmless.
    """

    def __init__(self, table: Table, client: "S3Client", bucket: str) -> None:
        self._table = table
        self._client = client
        self._bucket = bucket

    def apply(self, _tenant: TenantRecord, /) -> str | None:
        return None

    def remove(self, tenant: TenantRecord, position: str | None, /) -> Removal:
        """Export some of the records; the note says where they lie."""
        folder = f"exports/{tenant.tenant_id}/{_moment(tenant)}/"
        note = f"s3://{self._bucket}/{folder}"
        place, count = _Place.parse(position), 0
        for _ in range(PAGES_A_CALL):
            partition = place.partition or tenant_partition(tenant.tenant_id)
            found = self._table.query_all(partition, PageRequest(PAGE, place.after))
            lines = [_line(item) for item in found.items if _is_exported(item)]
            number = place.number
            if lines:
                self._write(f"{folder}{number:06d}.jsonl", lines)
                count, number = count + len(lines), number + 1
            if found.next_after:
                place = _Place(number, partition, found.next_after)
                continue
            following = self._partition_after(tenant.tenant_id, partition)
            if following is None:
                return Removal(gone=True, count=count, note=note)
            place = _Place(number, following)
        return Removal(gone=False, count=count, position=str(place), note=note)

    def _partition_after(self, tenant_id: str, partition: str) -> str | None:
        """The tenant's own, its audit trail, and those of its projects by name."""
        own = tenant_partition(tenant_id)
        audit = f"{own}#AUDIT"
        if partition == own:
            return audit
        done = partition.removeprefix(f"{own}#")
        after = None if partition == audit else done
        names, _ = project_names(self._table, tenant_id, PageRequest(1, after))
        return project_partition(tenant_id, names[0]) if names else None

    def _write(self, key: str, lines: list[str]) -> None:
        body = "".join(f"{line}\n" for line in lines).encode()
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/jsonl"
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError(f"S3 did not take {key}") from failed


class TenantItems:
    """A TenantPart that deletes what is in the tenant's partitions, but for its root item and its audit trail."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def apply(self, _tenant: TenantRecord, /) -> str | None:
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        count = 0
        for keys in self._pages(tenant.tenant_id):
            if keys is None:
                return Removal(gone=False, count=count)
            self._table.delete_many(keys)
            count += len(keys)
        return Removal(gone=True, count=count)

    def _pages(self, tenant_id: str) -> Iterator[list[Key] | None]:
        """Keys to delete, each project's item after all that is below it; None when the rest is for another call."""
        left, own = PAGES_A_CALL, tenant_partition(tenant_id)
        while True:
            names, _ = project_names(self._table, tenant_id, PageRequest(1))
            partition = project_partition(tenant_id, names[0]) if names else own
            while keys := self._keys(partition):
                if not left:
                    yield None
                    return
                left -= 1
                yield keys
            if not names:
                return
            yield [Key(own, f"{PROJECTS}{names[0]}")]

    def _keys(self, partition: str) -> list[Key]:
        found = self._table.query_all(partition, PageRequest(PAGE))
        return [Key(item["pk"], item["sk"]) for item in found.items if item["sk"] != ROOT]


def _moment(tenant: TenantRecord) -> str:
    work = tenant.offboarding
    return f"{work.requested_at:%Y%m%dT%H%M%SZ}" if work else "unasked"


def _is_exported(item: Item) -> bool:
    return not item["sk"].startswith(_NOT_EXPORTED)


def _line(item: Item) -> str:
    shown = {name: value for name, value in item.items() if name not in _SECRET_ATTRIBUTES}
    return json.dumps(shown, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """Sets as sorted lists; bytes do not occur in records."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"a record holds a {type(value).__name__}")
