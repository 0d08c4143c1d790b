"""Models, versions and uploads as callers see them."""

import math
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field

from controlplane.reasons import Reason
from controlplane.registry.manifest import ManifestFile
from controlplane.registry.model import ApprovalState, Model, ModelVersion, VersionSource
from controlplane.registry.ports import PresignedPut, TemporaryCredentials
from controlplane.registry.scan import Scan
from controlplane.registry.service import UploadTicket
from controlplane.registry.signatures import SignatureRecord
from controlplane.registry.upload import RejectedUpload, Upload, UploadOrigin, UploadState


def _finite(value: object) -> object:
    """JSON knows no NaN and no infinity: a metric that is no number is shown as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


MetricView = Annotated[float | None, BeforeValidator(_finite)]


class ModelView(BaseModel):
    """A model, and how many versions it has."""

    name: str
    created_at: datetime
    latest_version: int = Field(
        description="The number of the version registered last, also when it was deleted; the alias `latest` names the "
        "newest that is there"
    )
    versions: int
    tags: dict[str, str]

    @classmethod
    def of(cls, model: Model) -> Self:
        return cls.model_validate(model.model_dump())


class ApprovalView(BaseModel):
    """Whether somebody let the version serve: who decided, when, and why."""

    state: ApprovalState
    actor: str | None
    reason: str | None
    decided_at: datetime | None


class VersionView(BaseModel):
    """An immutable model version. Sizes in bytes, SHA-256 in hexadecimal as S3 computed them.

    `registered_by` opened its upload, null where nobody did. A metric that is null came to no number.
    """

    model: str
    version: int
    uri: str
    format: str
    framework_version: str | None
    files: list[ManifestFile]
    size: int
    digest: str
    source: VersionSource
    registered_at: datetime
    registered_by: str | None
    tags: dict[str, str]
    metrics: dict[str, MetricView]
    dataset_digest: str | None
    run: str | None
    template_version: str | None
    code: str | None
    approval: ApprovalView
    scan: Scan | None
    signature: SignatureRecord | None
    aliases: list[str]
    served_by: list[str]

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        return cls.model_validate(version.model_dump() | {"version": version.number})


class UploadView(BaseModel):
    """An upload: how far it is, and why it became no version if it did not."""

    upload: str
    model: str
    state: UploadState
    origin: UploadOrigin
    format: str | None
    framework_version: str | None
    files: list[ManifestFile]
    created_at: datetime
    deadline: datetime | None
    version: int | None = Field(description="The model version it became")
    reason: Reason | None

    @classmethod
    def of(cls, upload: Upload) -> Self:
        registered = upload.state is UploadState.REGISTERED
        changes = {
            "upload": upload.upload_id,
            "version": upload.model_version if registered else None,
        }
        return cls.model_validate(upload.model_dump() | changes)


class PutView(BaseModel):
    """A request to send as it is: PUT to `url` with exactly these headers."""

    path: str
    url: str
    headers: dict[str, str]

    @classmethod
    def of(cls, path: str, put: PresignedPut) -> Self:
        return cls(path=path, url=put.url, headers=dict(put.headers))


class ManifestPutView(PutView):
    """The last request; its body is `content`, byte for byte."""

    content: str


class UploadTicketView(BaseModel):
    """An open upload: send the files in any order, and the manifest when all have arrived."""

    upload: UploadView
    files: list[PutView]
    manifest: ManifestPutView

    @classmethod
    def of(cls, ticket: UploadTicket) -> Self:
        last = ticket.manifest
        return cls(
            upload=UploadView.of(ticket.upload),
            files=[PutView.of(file.path, put) for file, put in ticket.files],
            manifest=ManifestPutView(
                path="manifest.json",
                url=last.url,
                headers=dict(last.headers),
                content=ticket.manifest_content,
            ),
        )


class CredentialsView(BaseModel):
    """Temporary AWS credentials that can write below `s3://bucket/prefix` and nowhere else."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: datetime
    bucket: str
    prefix: str

    @classmethod
    def of(cls, credentials: TemporaryCredentials) -> Self:
        return cls.model_validate(credentials, from_attributes=True)


class RejectedUploadView(BaseModel):
    """An object that arrived where no model can be, and why it was refused."""

    key: str
    arrived_at: datetime
    reason: Reason

    @classmethod
    def of(cls, rejected: RejectedUpload) -> Self:
        return cls.model_validate(rejected.model_dump())
