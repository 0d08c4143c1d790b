"""How a function is let into a cluster: an EKS cluster by its own role, any other by a stored token."""

import base64
import json
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from botocore.signers import RequestSigner

from controlplane.adapters.kubernetes_api import ClusterAccess
from controlplane.adapters.secretsmanager_secrets import read_secret
from controlplane.errors import ClusterUnavailableError

if TYPE_CHECKING:
    from types_boto3_secretsmanager.client import SecretsManagerClient

URL_SECONDS = 60
# EKS takes a token for 15 minutes after it was signed; one is used for a little less.
TOKEN_SECONDS = 13 * 60


def eks_access(session: Session, region: str, cluster_name: str) -> ClusterAccess:
    """Access to an EKS cluster as the function's own role. Raises ClusterUnavailableError."""
    try:
        client: Any = session.create_client("eks", region_name=region)
        cluster = client.describe_cluster(name=cluster_name)["cluster"]
    except (ClientError, BotoCoreError) as failed:
        raise ClusterUnavailableError(f"EKS does not describe cluster {cluster_name}") from failed
    authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
    tokens = _Tokens(session, region, cluster_name)
    return ClusterAccess(cluster["endpoint"], authority, tokens.get)


def stored_access(secrets: "SecretsManagerClient", arn: str) -> ClusterAccess:
    """Access by a secret: JSON with `server`, `certificate_authority` (PEM) and `token`."""
    stored = json.loads(read_secret(secrets, arn))
    tokens = _StoredToken(secrets, arn, str(stored["token"]))
    return ClusterAccess(stored["server"], stored["certificate_authority"], tokens.get)


def eks_token(session: Session, region: str, cluster_name: str) -> str:
    """A token that EKS takes: a presigned call of STS GetCallerIdentity, bound to the cluster by a signed header.

    Source: aws-iam-authenticator, "API Authorization from Outside a Cluster".
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise ClusterUnavailableError("the function has no AWS credentials to sign with")
    signer = RequestSigner(
        session.get_service_model("sts").service_id,
        region,
        "sts",
        "v4",
        credentials,
        session.get_component("event_emitter"),
    )
    request = {
        "method": "GET",
        "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster_name},
        "context": {},
    }
    url = signer.generate_presigned_url(
        request, region_name=region, expires_in=URL_SECONDS, operation_name=""
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


class _Tokens:
    def __init__(self, session: Session, region: str, cluster_name: str) -> None:
        self._make = (session, region, cluster_name)
        self._token, self._made_at = "", float("-inf")

    def get(self, fresh: bool) -> str:
        if fresh or time.monotonic() - self._made_at > TOKEN_SECONDS:
            self._token, self._made_at = eks_token(*self._make), time.monotonic()
        return self._token


class _StoredToken:
    """A token that is read again when the cluster has refused it: it may have been renewed."""

    def __init__(self, secrets: "SecretsManagerClient", arn: str, token: str) -> None:
        self._secrets, self._arn, self._token = secrets, arn, token

    def get(self, fresh: bool) -> str:
        if fresh:
            self._token = str(json.loads(read_secret(self._secrets, self._arn))["token"])
        return self._token
