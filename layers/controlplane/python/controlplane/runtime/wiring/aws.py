"""AWS itself: the session of the container and its clients."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controlplane.adapters.sts_tenant_sessions import Credentials


@cache
def session() -> Any:
    from botocore.session import get_session

    return get_session()


@cache
def client(service: str) -> Any:
    """A low-level client of an AWS service, in the function's region and with its role."""
    return client_as(service, None)


def client_as(service: str, credentials: "Credentials | None") -> Any:
    """The same with other credentials than the role's own."""
    from botocore.config import Config

    config = Config(
        connect_timeout=2,
        read_timeout=60 if service == "s3" else 5,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4" if service == "s3" else None,
    )
    return session().create_client(
        service,
        config=config,
        aws_access_key_id=credentials.access_key_id if credentials else None,
        aws_secret_access_key=credentials.secret_access_key if credentials else None,
        aws_session_token=credentials.session_token if credentials else None,
    )
