"""Tokens for EKS: a presigned call of STS that names the cluster in a signed header."""

from base64 import urlsafe_b64decode
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.session import Session

from controlplane.adapters.cluster_access import eks_token


@pytest.fixture
def session() -> Session:
    session = Session()
    session.set_credentials("key", "secret", "session-token")
    return session


def test_a_token_is_a_call_that_names_the_cluster(session: Session) -> None:
    prefix, _, encoded = eks_token(session, "eu-central-1", "headrace").partition(".")

    url = urlsplit(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = parse_qs(url.query)
    assert prefix == "k8s-aws-v1"
    assert "=" not in encoded
    assert url.hostname == "sts.eu-central-1.amazonaws.com"
    assert query["Action"] == ["GetCallerIdentity"]
    assert "x-k8s-aws-id" in query["X-Amz-SignedHeaders"][0].split(";")
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Security-Token"] == ["session-token"]


def test_a_token_for_another_cluster_is_another(session: Session) -> None:
    first, second = (eks_token(session, "eu-central-1", name) for name in ("one", "two"))

    assert first != second
