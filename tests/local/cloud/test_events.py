"""Events from buckets, state machines and table streams, as Headrace's rules use them."""

import json
from typing import Any

import urllib3

from tests.local.cloud.deployed import ROLE, Account
from tests.waiting import eventually

ECHO = {"Echo": {"Type": "Pass", "Output": "{% $states.input %}", "End": True}}

FAILING = """
class UploadRejectedError(Exception):
    pass

def handle(event, context):
    raise UploadRejectedError("the manifest lies")
"""

# Refuses any batch with the poisoned item, which AWS's bisection then isolates.
POISONABLE = """
import json

def handle(event, context):
    if "poison" in json.dumps(event):
        raise ValueError("cannot read this")
"""

# Names the poisoned record as the failed one, as Powertools' batch processor does.
REPORTING = """
import json

def handle(event, context):
    return {"batchItemFailures": [
        {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
        for record in event["Records"] if "poison" in json.dumps(record)
    ]}
"""


def test_a_state_machine_catches_an_error_by_its_class_name(account: Account) -> None:
    machine = account.machine(
        {
            "Check": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": account.function(FAILING), "Payload": {}},
                "Catch": [
                    {
                        "ErrorEquals": ["UploadRejectedError"],
                        "Assign": {"cause": "{% $parse($states.errorOutput.Cause) %}"},
                        "Next": "Rejected",
                    },
                    {"ErrorEquals": ["States.ALL"], "Next": "Unexpected"},
                ],
                "End": True,
            },
            "Rejected": {"Type": "Succeed", "Output": {"because": "{% $cause.errorMessage %}"}},
            "Unexpected": {"Type": "Fail"},
        },
        "Check",
    )
    ended = account.run(machine, {})

    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"]) == {"because": "the manifest lies"}


def test_a_nested_succeed_state_answers_with_its_output(account: Account) -> None:
    machine = account.machine(
        {
            "Each": {
                "Type": "Map",
                "Items": "{% $states.input.items %}",
                "MaxConcurrency": "{% $states.input.width %}",
                "ItemProcessor": {
                    "StartAt": "Double",
                    "States": {
                        "Double": {"Type": "Succeed", "Output": "{% $states.input * 2 %}"},
                    },
                },
                "End": True,
            }
        },
        "Each",
    )

    assert json.loads(account.run(machine, {"items": [1, 2], "width": 2})["output"]) == [2, 4]


def test_an_ended_execution_is_told_on_the_default_bus(account: Account) -> None:
    failing = account.machine({"Stop": {"Type": "Fail", "Error": "Bad", "Cause": "why"}}, "Stop")
    recording = account.machine(ECHO, "Echo")
    account.rule(
        {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {
                "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                "stateMachineArn": [failing],
            },
        },
        {"Arn": recording, "RoleArn": ROLE},
    )
    account.run(failing, {"tenant": "acme"})
    recorded = eventually(lambda: account.executions(recording), "the recording execution")
    event = json.loads(account.ended(recorded[0])["input"])

    assert event["detail"]["status"] == "FAILED"
    assert event["detail"]["error"] == "Bad"
    assert json.loads(event["detail"]["input"]) == {"tenant": "acme"}


def test_a_presigned_upload_starts_the_machine_of_the_rule_that_matches(account: Account) -> None:
    bucket = _versioned_bucket(account)
    manifests, files = account.machine(ECHO, "Echo"), account.machine(ECHO, "Echo")
    for machine, keys in (
        (manifests, [{"wildcard": "models/*/uploads/*/manifest.json"}]),
        (files, [{"anything-but": {"wildcard": ["models/*/uploads/*", "registry/*"]}}]),
    ):
        account.rule(
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket]}, "object": {"key": keys}},
            },
            {"Arn": machine, "RoleArn": ROLE},
        )
    _put_presigned(account, bucket, "models/acme/vision/digits/uploads/u1/model.joblib")
    _put_presigned(account, bucket, "registry/tenant-acme/vision/digits/1/model.joblib")
    version = _put_presigned(account, bucket, "models/acme/vision/digits/uploads/u1/manifest.json")
    _put_presigned(account, bucket, "models/acme/vision/digits/model.joblib")

    started = eventually(lambda: account.executions(manifests), "the manifest's execution")
    told = json.loads(account.ended(started[0])["input"])["detail"]["object"]
    assert told["key"] == "models/acme/vision/digits/uploads/u1/manifest.json"
    assert told["version-id"] == version
    assert told["sequencer"]
    plain = eventually(lambda: account.executions(files), "the plain file's execution")
    told = json.loads(account.ended(plain[0])["input"])["detail"]["object"]
    assert told["key"] == "models/acme/vision/digits/model.joblib"
    assert (len(account.executions(manifests)), len(account.executions(files))) == (1, 1)


def test_failed_stream_records_go_whole_to_the_bucket_and_hold_up_nothing(
    account: Account,
) -> None:
    sent = _poison_a_stream(account, POISONABLE, [])

    assert [_sort_key(record) for record in sent] == ["poison"]


def test_records_from_the_reported_failure_on_are_retried_and_sent(account: Account) -> None:
    sent = _poison_a_stream(account, REPORTING, ["ReportBatchItemFailures"])

    assert [_sort_key(record) for record in sent] == ["poison"]


def _versioned_bucket(account: Account) -> str:
    bucket = account.name()
    s3 = account.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    return bucket


def _put_presigned(account: Account, bucket: str, key: str) -> str:
    body = b"{}"
    url = account.client("s3").generate_presigned_url(
        "put_object", Params={"Bucket": bucket, "Key": key, "ContentLength": len(body)}
    )
    answer = urllib3.request("PUT", url, body=body, timeout=10)
    assert answer.status == 200
    return answer.headers["x-amz-version-id"]


def _poison_a_stream(account: Account, code: str, answers: list[str]) -> list[dict[str, Any]]:
    """Write items, one of them poisoned; the records that the failure bucket gets of them."""
    table, bucket = account.name(), account.name()
    account.client("s3").create_bucket(Bucket=bucket)
    dynamodb = account.client("dynamodb")
    made = dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for key in ("first", "poison", "last"):
        dynamodb.put_item(TableName=table, Item={"pk": {"S": key}})
    account.client("lambda").create_event_source_mapping(
        FunctionName=account.function(code),
        EventSourceArn=made["TableDescription"]["LatestStreamArn"],
        StartingPosition="TRIM_HORIZON",
        BatchSize=10,
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
        FunctionResponseTypes=answers,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    s3 = account.client("s3")
    stored = eventually(
        lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"), "the failed record's arrival"
    )
    assert len(stored) == 1
    body = s3.get_object(Bucket=bucket, Key=stored[0]["Key"])["Body"].read()
    records: list[dict[str, Any]] = json.loads(json.loads(body)["payload"])["Records"]
    return records


def _sort_key(record: dict[str, Any]) -> str:
    key: str = record["dynamodb"]["Keys"]["pk"]["S"]
    return key
