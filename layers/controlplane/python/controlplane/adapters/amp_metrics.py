"""Amazon Managed Service for Prometheus: the same API, its requests signed with Signature Version 4 for `aps`.

https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-APIReference-Prometheus-Compatible-Apis.html
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from controlplane.errors import MetricsUnavailableError

SERVICE = "aps"
_HOST = re.compile(r"aps-workspaces(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)")


class SignedAccess:
    """An Authorize with the function's own role. `region` is the workspace's, which need not be the function's."""

    def __init__(self, session: Session, region: str) -> None:
        self._session = session
        self._region = region

    def __call__(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        fresh: bool,  # noqa: ARG002 - each is
    ) -> Mapping[str, str]:
        credentials: Any = self._session.get_credentials()
        if credentials is None:
            raise MetricsUnavailableError("there are no credentials to sign a query with")
        request: Any = AWSRequest("POST", url, headers=dict(headers), data=body)
        try:
            SigV4Auth(credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(request)
        except BotoCoreError as failed:
            raise MetricsUnavailableError("a query could not be signed") from failed
        return dict(request.headers.items())


def workspace_region(url: str, otherwise: str) -> str:
    """The region in a workspace's address; another one's where the address, a private one, tells none."""
    found = _HOST.match(urlsplit(url).hostname or "")
    return found[1] if found else otherwise
