"""HTTP API, open to everyone: an API key for a short-lived access token."""

from http import HTTPStatus
from typing import Literal

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, ConfigDict, Field

from controlplane.events import act_as
from controlplane.people.exchange import exchange_key
from controlplane.runtime.http import BASE, answer, create_api, serve
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring.people import key_ring, machine_secret, token_pool

api = create_api()


class TokenRequest(BaseModel):
    """An API key, as it was shown when it was created."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    api_key: str = Field(min_length=1, max_length=200, json_schema_extra={"writeOnly": True})


class TokenView(BaseModel):
    """A bearer token for this API, valid for `expires_in` seconds; ask for another before they are over."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type of the token, by RFC 6750
    expires_in: int
    tenant: str
    key_id: str
    scopes: list[str]


@api.post(
    f"{BASE}/token",
    operation_id="createToken",
    summary="Exchange an API key for a short-lived access token",
    tags=["machines"],
    openapi_extensions={"x-open": True, "x-creates-nothing": True, "x-refusals": ["401"]},
)
def post_token(wanted: TokenRequest) -> Response[TokenView]:
    exchanged = exchange_key(
        wanted.api_key, ring=key_ring(), pool=token_pool(), secret=machine_secret()
    )
    act_as(f"key:{exchanged.key.key_id}")
    logger.info(
        "a key was exchanged",
        extra={"tenant_id": exchanged.tenant_id, "key_id": exchanged.key.key_id},
    )
    issued = answer(
        TokenView(
            access_token=exchanged.token.token,
            expires_in=exchanged.token.expires_in,
            tenant=exchanged.tenant_id,
            key_id=exchanged.key.key_id,
            scopes=list(exchanged.key.scopes),
        ),
        status=HTTPStatus.OK,
    )
    issued.headers["Cache-Control"] = "no-store"
    return issued


lambda_handler = serve(api)
