"""Uploads, and arrivals that belong to no model."""

from collections.abc import Sequence

from controlplane.errors import NotFoundError
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
from controlplane.requests import IdempotentRequest, Page, PageRequest
from tests.fakes.models import count_versions
from tests.fakes.table import MemoryTable, create, page_of, require, reserve


class MemoryUploads:
    """An UploadRepository."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        event: UploadOpened,
        request: IdempotentRequest | None,
    ) -> Upload:
        place = (tenant_id, project, upload.model, upload.upload_id)
        stored = create(self._table, self._table.uploads, place, upload, request, now())
        if stored is upload:
            self._table.events.append(event)
        return stored

    def get(self, tenant_id: str, project: str, model: str, upload_id: str) -> Upload:
        upload = self.find(tenant_id, project, model, upload_id)
        if upload is None:
            raise NotFoundError(f"there is no upload {upload_id}")
        return upload.seen_at(now())

    def find(self, tenant_id: str, project: str, model: str, upload_id: str) -> Upload | None:
        return self._table.uploads.get((tenant_id, project, model, upload_id))

    def list(self, tenant_id: str, project: str, model: str, page: PageRequest) -> Page[Upload]:
        place = (tenant_id, project, model)
        own = {at[3]: upload for at, upload in self._table.uploads.items() if at[:3] == place}
        found = page_of(own, page)
        return Page([upload.seen_at(now()) for upload in found.items], found.next_after)

    def allot_version(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        known: Upload | None,
        model: Model | None,
    ) -> None:
        self._table.begin_write()
        self._require_unchanged(tenant_id, project, upload, known)
        place = (tenant_id, project, upload.model)
        self._require_same_model(place, model)
        counted = model or Model(name=upload.model, created_at=now())
        self._table.models[place] = counted.model_copy(
            update={"allotted": counted.allotted + 1, "version": counted.version + 1}
        )
        self._put(tenant_id, project, upload, known)

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
        self._table.begin_write()
        held = self._table.projects.get((tenant_id, project))
        if held is None or upload.project_created_at not in (None, held.created_at):
            raise NotFoundError(f"there is no project {project}")
        self._require_unchanged(tenant_id, project, upload, upload)
        place = (tenant_id, project, model.name)
        self._require_same_model(place, model)
        of_version = (*place, version.number)
        require(of_version not in self._table.versions)
        reserve(self._table, tenant_id, room)
        self._table.versions[of_version] = version
        self._table.models[place] = model.model_copy(
            update={
                "latest_version": max(model.latest_version, version.number),
                "versions": model.versions + 1,
                "version": model.version + 1,
            }
        )
        count_versions(self._table, tenant_id, project, 1)
        registered = upload.model_copy(update={"state": UploadState.REGISTERED, "reason": None})
        self._put(tenant_id, project, registered, upload)
        self._table.events.append(event)

    def end(
        self, tenant_id: str, project: str, upload: Upload, known: Upload | None, event: UploadEnded
    ) -> None:
        self._table.begin_write()
        self._require_unchanged(tenant_id, project, upload, known)
        self._put(tenant_id, project, upload, known)
        self._table.events.append(event)

    def record_rejected(self, tenant_id: str | None, rejected: RejectedUpload) -> None:
        self._table.begin_write()
        arrived_at = f"{rejected.arrived_at:%FT%T}"
        place = (tenant_id or "PLATFORM", arrived_at, rejected.key, rejected.version_id)
        self._table.rejected[place] = rejected

    def list_rejected(self, tenant_id: str, page: PageRequest) -> Page[RejectedUpload]:
        own = {
            "#".join(at[1:]): kept
            for at, kept in self._table.rejected.items()
            if at[0] == tenant_id
        }
        return page_of(own, page, newest=True)

    def _require_unchanged(
        self, tenant_id: str, project: str, upload: Upload, known: Upload | None
    ) -> None:
        stored = self.find(tenant_id, project, upload.model, upload.upload_id)
        require((stored and stored.version) == (known and known.version))

    def _require_same_model(self, place: tuple[str, ...], model: Model | None) -> None:
        stored = self._table.models.get(place)
        require((stored and stored.version) == (model and model.version))

    def _put(self, tenant_id: str, project: str, upload: Upload, known: Upload | None) -> None:
        stored = upload.model_copy(update={"version": known.version + 1 if known else 1})
        self._table.uploads[tenant_id, project, upload.model, upload.upload_id] = stored
        self._table.upload_history.append(stored)
