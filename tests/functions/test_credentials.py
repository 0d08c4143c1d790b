"""Temporary AWS credentials for one model's prefix."""

import json

from local.bench.wire import Wire
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.scenario import Scenario

PATH = "/projects/vision/models/digits/credentials"
PREFIX = "models/acme/vision/digits/"


def asked_for_uploads(wire: Wire) -> list[dict[str, str]]:
    """What STS was asked for on behalf of an upload; sessions for the table are not among it."""
    asked = [made.body for made in wire.calls if made.service == "sts"]
    return [body for body in asked if body["RoleArn"].endswith("role/headrace-upload")]


def test_credentials_are_for_one_models_prefix_and_not_to_be_stored(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    issued = call("POST", PATH)

    assert issued.status == 201
    assert issued.headers["cache-control"] == "no-store"
    assert (issued.json["bucket"], issued.json["prefix"]) == (cloud.bucket, PREFIX)
    assert all(issued.json[part] for part in ("access_key_id", "secret_access_key"))
    assert issued.json["session_token"]


def test_session_policy_allows_writing_below_the_prefix_alone(
    call: Api, cloud: Cloud, acme: Scenario, wire: Wire
) -> None:
    call("POST", PATH)

    [asked] = asked_for_uploads(wire)
    policy = json.loads(asked["Policy"])
    bucket = f"arn:aws:s3:::{cloud.bucket}"
    assert {s["Effect"] for s in policy["Statement"]} == {"Allow"}
    s3 = [s for s in policy["Statement"] if "s3:" in str(s["Action"])]
    assert {(str(s["Resource"]), str(s.get("Condition", ""))) for s in s3} == {
        (f"{bucket}/{PREFIX}*", ""),
        (bucket, str({"StringLike": {"s3:prefix": f"{PREFIX}*"}})),
    }
    writing = next(s for s in s3 if s["Resource"].endswith("*"))
    assert set(writing["Action"]) == {
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    }
    kms = [s for s in policy["Statement"] if "kms:" in str(s["Action"])]
    assert all(bucket in str(s["Condition"]) for s in kms)


def test_session_bears_the_callers_name_and_tags(call: Api, acme: Scenario, wire: Wire) -> None:
    call("POST", PATH, subject="user:with/odd characters-and-a-very-long-name" + "x" * 40)

    [asked] = asked_for_uploads(wire)
    assert (
        asked["RoleSessionName"]
        == ("user-with-odd-characters-and-a-very-long-name" + "x" * 40)[:64]
    )
    assert asked["RoleArn"].endswith("role/headrace-upload")
    assert asked["DurationSeconds"] == "3600"
    tags = {asked[f"Tags.member.{n}.Key"]: asked[f"Tags.member.{n}.Value"] for n in (1, 2, 3)}
    assert tags == {"tenant": "acme", "project": "vision", "model": "digits"}


def test_credentials_for_an_unknown_project_are_not_issued(
    call: Api, cloud: Cloud, wire: Wire
) -> None:
    refused = call("POST", PATH)

    assert (refused.status, refused.code) == (404, "not_found")
    assert not asked_for_uploads(wire)
