"""Evidence: the same bundle is the same bytes, which can be checked, and are read through a link that ends."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from controlplane.adapters.s3_evidence import (
    S3Evidence,
    S3EvidenceLinks,
    evidence_key,
    to_document,
)
from controlplane.errors import UnavailableError
from controlplane.identifiers import now
from controlplane.serving.analysis import CheckResult, Verdict
from tests.ports import free_port

PLACE = ("acme", "vision", "digits", "r-0190a1b2c3d4")
BUCKET = "models"


def client(endpoint: str) -> Any:
    session: Any = boto3
    return session.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4"),
    )


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    moto = ThreadedMotoServer("127.0.0.1", port=0)
    moto.start()
    made = client(f"http://127.0.0.1:{moto.get_host_and_port()[1]}")
    made.create_bucket(Bucket=BUCKET)
    made.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield made
    moto.stop()


BUNDLE = {
    "rollout": "r-0190a1b2c3d4",
    "ended_at": datetime(2026, 11, 21, 18, 0, tzinfo=timezone(timedelta(hours=2))),
    "ticks": [
        CheckResult(check="errors", verdict=Verdict.FAIL, code="ErrorRateHigher", message="é")
    ],
    "verdict": Verdict.FAIL,
    "aliases": {"b", "a"},
}


def test_a_bundle_lies_under_its_tenants_prefix_and_a_repeat_replaces_it(s3: Any) -> None:
    store = S3Evidence(s3, BUCKET)

    key = store.write(*PLACE, BUNDLE)
    again = store.write(*PLACE, BUNDLE)

    assert key == again == "evidence/tenant-acme/vision/digits/r-0190a1b2c3d4.json"
    versions = s3.list_object_versions(Bucket=BUCKET, Prefix=key)["Versions"]
    assert len({one["ETag"] for one in versions}) == 1, "the same bundle is the same bytes"
    found = s3.get_object(Bucket=BUCKET, Key=key)
    assert found["ContentType"] == "application/json"
    read = json.loads(found["Body"].read())
    assert read["schema_version"] == 1
    assert read["ended_at"] == "2026-11-21T16:00:00Z"
    assert read["verdict"] == "Fail"
    assert read["aliases"] == ["a", "b"]
    assert read["ticks"][0]["message"] == "é"


def test_the_digest_is_of_everything_else() -> None:
    document = json.loads(to_document(BUNDLE))

    digest = document.pop("digest")

    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest == f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    document["verdict"] = "Pass"
    assert json.loads(to_document(document))["digest"] != digest


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=6,
    )
)  # fmt: skip
def test_the_order_of_keys_changes_nothing_and_what_was_read_is_written_the_same(
    bundle: dict[str, Any],
) -> None:
    document = to_document(bundle)

    assert to_document(dict(reversed(list(bundle.items())))) == document
    assert to_document(json.loads(document)) == document


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes"])
def test_what_has_no_place_in_json_is_refused_before_anything_is_written(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        to_document({"value": value})


def test_an_s3_that_does_not_answer_is_unavailable() -> None:
    store = S3Evidence(client(f"http://127.0.0.1:{free_port()}"), BUCKET)

    with pytest.raises(UnavailableError, match="evidence"):
        store.write(*PLACE, BUNDLE)


def test_a_link_opens_the_bundle_and_names_its_end(s3: Any) -> None:
    S3Evidence(s3, BUCKET).write(*PLACE, BUNDLE)

    url = S3EvidenceLinks(lambda: s3, BUCKET).link(*PLACE, now() + timedelta(minutes=5))

    assert requests.get(url, timeout=5).json()["rollout"] == "r-0190a1b2c3d4"
    parts = urlsplit(url)
    assert parts.path.endswith(evidence_key(*PLACE))
    seconds = int(parse_qs(parts.query)["X-Amz-Expires"][0])
    assert 295 <= seconds <= 300


def test_each_link_is_signed_by_the_client_of_its_own_request(s3: Any) -> None:
    asked = []

    def of_request() -> Any:
        asked.append(datetime.now(UTC))
        return s3

    links = S3EvidenceLinks(of_request, BUCKET)
    links.link(*PLACE, now() + timedelta(minutes=5))
    links.link(*PLACE, now() + timedelta(minutes=5))

    assert len(asked) == 2
