"""AWS clients that can reach the embedded cloud and nothing else."""

import os
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

ACCOUNT = "000000000000"
REGION = "us-east-1"

# The embedded cloud takes any key; one that is no account number means its default account.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105 - no secret: the embedded cloud checks no signature


@dataclass(frozen=True)
class EmbeddedCloud:
    """The embedded cloud at an endpoint such as `http://127.0.0.1:4566`."""

    endpoint: str
    _session: list[boto3.Session] = field(default_factory=list, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """A boto3 client of that service.

        A wrong service name must never fall through to a real account, so the caller's profile,
        configuration files, credentials, endpoints and proxies are all out of reach.
        """
        if not self._session:
            self._session.append(_session())
        return self._session[0].client(
            service,  # type: ignore[call-overload]  # every service, by name
            endpoint_url=self.endpoint,
            config=Config(
                proxies={},
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "max_attempts": 3},
                connect_timeout=5,
                read_timeout=120,
            ),
        )


def _session() -> boto3.Session:
    """A session that reads no environment variable and no file of the user's."""
    nothing = (None, None, None, None)
    # Entries are (name in the configuration file, environment variable, default, conversion).
    core: Any = botocore.session.Session(
        session_vars={
            "profile": nothing,
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    core.set_credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    return boto3.Session(botocore_session=core, region_name=REGION)
