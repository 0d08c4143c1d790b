"""Uploads, and what was uploaded to where no model can be.

UPLOAD#<model>#<upload> lies in the project's partition, REJECTED#<arrival>#<digest> in the tenant's.
"""

from collections.abc import Sequence
from datetime import timedelta

from controlplane.adapters.dynamodb_items import (
    PRESENT,
    VERSION,
    as_item,
    attributes_of,
    create,
    put_over,
    seconds,
)
from controlplane.adapters.dynamodb_lineage import link_writes
from controlplane.adapters.dynamodb_models import model_key, version_item, version_key
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_quotas import refuse_without_room, reservation_writes
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
    tenant_partition,
)
from controlplane.adapters.dynamodb_tenants import tenant_key
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.identifiers import now
from controlplane.limits import Reservation
from controlplane.registry.model import (
    Model,
    ModelVersion,
    ModelVersionRegistered,
    UploadEnded,
    UploadOpened,
)
from controlplane.registry.upload import RejectedUpload, Upload, UploadState
from controlplane.requests import IdempotentRequest, Page, PageRequest, digest

REJECTED_LIFETIME = timedelta(days=30)


def upload_key(tenant_id: str, project: str, model: str, upload_id: str) -> Key:
    return Key(project_partition(tenant_id, project), f"UPLOAD#{model}#{upload_id}")


class DynamoDBUploads:
    """An UploadRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        event: UploadOpened,
        request: IdempotentRequest | None,
    ) -> Upload:
        key = upload_key(tenant_id, project, upload.model, upload.upload_id)
        item = as_item(key, upload, event)
        return Upload.model_validate(create(self._table, tenant_id, item, request))

    def get(self, tenant_id: str, project: str, model: str, upload_id: str) -> Upload:
        upload = self.find(tenant_id, project, model, upload_id)
        if upload is None:
            raise NotFoundError(f"there is no upload {upload_id}")
        return upload.seen_at(now())

    def find(self, tenant_id: str, project: str, model: str, upload_id: str) -> Upload | None:
        item = self._table.get(upload_key(tenant_id, project, model, upload_id))
        return Upload.model_validate(item) if item else None

    def list(self, tenant_id: str, project: str, model: str, page: PageRequest) -> Page[Upload]:
        pk = project_partition(tenant_id, project)
        found = self._table.query(pk, f"UPLOAD#{model}#", page)
        moment = now()
        uploads = [Upload.model_validate(item).seen_at(moment) for item in found.items]
        return Page(uploads, found.next_after)

    def end(
        self, tenant_id: str, project: str, upload: Upload, known: Upload | None, event: UploadEnded
    ) -> None:
        self._put(_upload_write(tenant_id, project, upload, known, event))

    def allot_version(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        known: Upload | None,
        model: Model | None,
    ) -> None:
        key = model_key(tenant_id, project, upload.model)
        counted = model or Model(name=upload.model, created_at=now())
        raised = counted.model_copy(
            update={"allotted": counted.allotted + 1, "version": counted.version + 1}
        )
        known_version = model.version if model else None
        self._transact(
            [
                _upload_write(tenant_id, project, upload, known),
                put_over(key, as_item(key, raised), known_version),
            ]
        )

    def register(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        version: ModelVersion,
        model: Model,
        event: ModelVersionRegistered,
        room: Sequence[Reservation],
    ) -> None:
        registered = upload.model_copy(update={"state": UploadState.REGISTERED, "reason": None})
        counted = model.model_copy(
            update={
                "latest_version": max(model.latest_version, version.number),
                "versions": model.versions + 1,
                "version": model.version + 1,
            }
        )
        of_model = model_key(tenant_id, project, model.name)
        of_version = version_key(tenant_id, project, model.name, version.number)
        of_project = project_key(tenant_id, project)
        since = attributes_of(upload).get("project_created_at")
        writes = [
            put_over(of_version, version_item(of_version, version, event), None),
            *link_writes(tenant_id, project, version),
            put_over(of_model, as_item(of_model, counted), model.version),
            _upload_write(tenant_id, project, registered, upload),
            Write(
                of_project,
                kind="update",
                update="ADD model_versions :one, #version :one",
                condition=PRESENT + (" AND created_at = :since" if since else ""),
                names=VERSION,
                values={":one": 1, **({":since": since} if since else {})},
            ),
            *reservation_writes(tenant_id, room),
        ]
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            refuse_without_room(self._table, tenant_id, room)
            held = self._table.get(of_project)
            if held is None or is_tombstone(held) or since not in (None, held["created_at"]):
                raise NotFoundError(f"there is no project {project}") from cancelled
            raise ConcurrentChangeError(
                "the upload or its model has changed meanwhile"
            ) from cancelled

    def record_rejected(self, tenant_id: str | None, rejected: RejectedUpload) -> None:
        known = tenant_id and self._table.get(tenant_key(tenant_id))
        pk = tenant_partition(tenant_id) if tenant_id and known else "PLATFORM"
        identity = digest(rejected.key, rejected.version_id)[:16]
        key = Key(pk, f"REJECTED#{rejected.arrived_at:%Y-%m-%dT%H:%M:%SZ}#{identity}")
        expires_at = seconds(rejected.arrived_at + REJECTED_LIFETIME)
        self._table.put(Write(key, item=as_item(key, rejected, expires_at=expires_at)))

    def list_rejected(self, tenant_id: str, page: PageRequest) -> Page[RejectedUpload]:
        found = self._table.query(tenant_partition(tenant_id), "REJECTED#", page, newest=True)
        return Page([RejectedUpload.model_validate(item) for item in found.items], found.next_after)

    def _put(self, write: Write) -> None:
        try:
            self._table.put(write)
        except ConditionFailedError as changed:
            raise ConcurrentChangeError("the upload has changed meanwhile") from changed

    def _transact(self, writes: Sequence[Write]) -> None:
        try:
            self._table.transact(writes)
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError(
                "the upload or its model has changed meanwhile"
            ) from changed


def _upload_write(
    tenant_id: str,
    project: str,
    upload: Upload,
    known: Upload | None,
    event: UploadEnded | None = None,
) -> Write:
    key = upload_key(tenant_id, project, upload.model, upload.upload_id)
    next_version = known.version + 1 if known else 1
    item: Item = as_item(key, upload.model_copy(update={"version": next_version}), event)
    return put_over(key, item, known.version if known else None)
