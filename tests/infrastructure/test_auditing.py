"""The audit trail: who may write and read it, and that its order and its anchors hold."""

import json
from typing import Any

import pytest

from tests.infrastructure.assembly import Assembly, Statement

KEYS = "dynamodb:LeadingKeys"


def statements_of(assembly: Assembly, function: str) -> list[Statement]:
    """What a function of the trail may do, by its own role."""
    return assembly.statements_of(f"Auditing/{function}Role")


def queue(assembly: Assembly, name: str) -> dict[str, Any]:
    (found,) = [
        r.properties
        for r in assembly.resources("AWS::SQS::Queue")
        if r.stack == "Auditing" and r.id.startswith(name)
    ]
    return found


def test_recorder_writes_audit_partitions_and_nothing_else(assembly: Assembly) -> None:
    (tables,) = [
        s
        for s in statements_of(assembly, "Record")
        if any(action.startswith("dynamodb:") for action in s.actions)
    ]

    assert set(tables.actions) == {"dynamodb:BatchGetItem", "dynamodb:PutItem"}
    assert tables.conditions["ForAllValues:StringLike"][KEYS] == [
        "TENANT#*#AUDIT",
        "PLATFORM#AUDIT",
    ]
    assert tables.conditions["Null"][KEYS] == "false"


@pytest.mark.parametrize("function", ["Api", "Forward", "Redrive"])
def test_nobody_else_of_the_trail_writes_the_table(assembly: Assembly, function: str) -> None:
    actions = {action for s in statements_of(assembly, function) for action in s.actions}

    assert actions.isdisjoint(
        {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "s3:PutObjectRetention"}
    )


def test_only_recorder_and_api_know_the_keys_of_the_chains(assembly: Assembly) -> None:
    holders = {
        s.holder.rpartition("/")[2]
        for s in assembly.role_statements()
        if "secretsmanager:GetSecretValue" in s.actions and "ChainKeys" in json.dumps(s.resources)
    }

    assert {holder.partition("Role")[0] for holder in holders} == {"Record", "Api"}


def test_nobody_takes_anchors_away(assembly: Assembly) -> None:
    allowed = {
        action
        for s in assembly.role_statements()
        if "Anchors" in json.dumps(s.resources)
        for action in s.actions
    }

    assert allowed == {"s3:PutObject", "s3:ListBucket"}


def test_anchors_are_locked_on_aws(on_aws: Assembly) -> None:
    (bucket,) = [r for r in on_aws.resources("AWS::S3::Bucket") if r.id.startswith("Anchors")]
    rule = bucket.properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]

    assert bucket.properties["ObjectLockEnabled"] is True
    assert rule["Days"] >= 365
    assert bucket.body["DeletionPolicy"] == "Retain"


def test_changes_of_a_tenant_stay_in_order_and_tenants_do_not_wait_for_each_other(
    assembly: Assembly,
) -> None:
    changes, dead_letters = queue(assembly, "Changes"), queue(assembly, "DeadLetters")
    (mapping,) = [
        m.properties
        for m in assembly.resources("AWS::Lambda::EventSourceMapping")
        if m.id == "Queue"
    ]

    assert changes["FifoQueue"] is dead_letters["FifoQueue"] is True
    assert changes["FifoThroughputLimit"] == "perMessageGroupId"
    assert changes["DeduplicationScope"] == "messageGroup"
    assert changes["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_message_stays_hidden_for_six_times_the_recorders_time(assembly: Assembly) -> None:
    (recorder,) = [
        r.properties
        for r in assembly.resources("AWS::Lambda::Function")
        if r.properties["Description"] == "functions/auditing/record_changes.py"
    ]

    assert queue(assembly, "Changes")["VisibilityTimeout"] >= 6 * recorder["Timeout"]


def test_each_consumer_redrives_its_own_failed_batches(assembly: Assembly) -> None:
    prefixes = [
        json.dumps(r.properties["Environment"]["Variables"]["FAILED_RECORDS_PREFIX"])
        for r in assembly.resources("AWS::Lambda::Function")
        if "FAILED_RECORDS_PREFIX" in r.properties["Environment"]["Variables"]
    ]

    assert len(prefixes) == 2
    assert all("aws/lambda/" in prefix and '{"Ref": "Stream"}' in prefix for prefix in prefixes)
