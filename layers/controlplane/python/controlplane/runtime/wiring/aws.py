"""AWS itself: the session of the container and its clients."""

from functools import cache
from typing import Any


@cache
def session() -> Any:
    from botocore.session import get_session

    return get_session()


@cache
def client(service: str) -> Any:
    """A low-level client of an AWS service, in the function's region and with its role."""
    from botocore.config import Config

    config = Config(
        connect_timeout=2,
        read_timeout=60 if service == "s3" else 5,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4" if service == "s3" else None,
    )
    return session().create_client(service, config=config)
