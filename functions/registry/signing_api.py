"""HTTP API of signing keys: whose signatures a project trusts."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel

from controlplane.identifiers import Name
from controlplane.registry.signing import add_signing_key, revoke_signing_key
from controlplane.registry.signing_keys import SigningKey, SigningKeyRequest, SigningKeyStatus
from controlplane.runtime.caller import permitted_caller
from controlplane.runtime.http import (
    BASE,
    Cursor,
    Limit,
    Listing,
    answer,
    create_api,
    idempotent_request,
    if_match,
    listing,
    page_request,
    serve,
)
from controlplane.runtime.wiring import registry

PATH = f"{BASE}/projects/<project>/signing-keys"
ProjectName = Annotated[Name, Path(description="The project's name")]
KeyName = Annotated[Name, Path(description="The signing key's name")]

api = create_api()


class SigningKeyView(BaseModel):
    """An Ed25519 key: base64 of its 32 bytes, and their SHA-256 in hexadecimal as its fingerprint."""

    name: str
    public_key: str
    fingerprint: str
    description: str
    status: SigningKeyStatus
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    revoked_by: str | None

    @classmethod
    def of(cls, key: SigningKey) -> Self:
        return cls.model_validate(key.model_dump())


@api.post(
    PATH,
    operation_id="createSigningKey",
    summary="Trust signatures of manifests by a key",
    tags=["registry"],
    status_code=201,
)
def post_key(project: ProjectName, wanted: SigningKeyRequest) -> Response[SigningKeyView]:
    caller = permitted_caller(api)
    key = add_signing_key(
        caller.tenant_id,
        project,
        wanted,
        caller.subject,
        idempotent_request(api, caller, wanted),
        keys=registry.signing_key_repository(),
    )
    return answer(
        SigningKeyView.of(key),
        status=HTTPStatus.CREATED,
        etag=key.version,
        location=f"{api.current_event.path}/{key.name}",
    )


@api.get(
    PATH,
    operation_id="listSigningKeys",
    summary="List a project's signing keys by name, revoked ones as well",
    tags=["registry"],
)
def list_keys(
    project: ProjectName, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[SigningKeyView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = registry.signing_key_repository().list(caller.tenant_id, project, asked)
    return answer(listing(api, caller, page, SigningKeyView.of))


@api.get(
    f"{PATH}/<signing_key>",
    operation_id="getSigningKey",
    summary="Look a signing key up",
    tags=["registry"],
)
def get_key(project: ProjectName, signing_key: KeyName) -> Response[SigningKeyView]:
    caller = permitted_caller(api)
    key = registry.signing_key_repository().get(caller.tenant_id, project, signing_key)
    return answer(SigningKeyView.of(key), etag=key.version)


@api.delete(
    f"{PATH}/<signing_key>",
    operation_id="revokeSigningKey",
    summary="Revoke a signing key: what it signed is no longer trusted",
    tags=["registry"],
)
def remove_key(project: ProjectName, signing_key: KeyName) -> Response[SigningKeyView]:
    caller = permitted_caller(api)
    key = revoke_signing_key(
        caller.tenant_id,
        project,
        signing_key,
        caller.subject,
        if_match(api),
        keys=registry.signing_key_repository(),
    )
    return answer(SigningKeyView.of(key), etag=key.version)


lambda_handler = serve(api)
