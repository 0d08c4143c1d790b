"""Rules, what they match, and that nothing which fails is lost."""

import json
from typing import Any

import pytest

from tests.infrastructure.assembly import Assembly, Resource


def rule(assembly: Assembly, name: str) -> Resource:
    stack, prefix = name.split("/")
    (found,) = [
        r
        for r in assembly.resources("AWS::Events::Rule")
        if r.stack == stack and r.id.rstrip("0123456789ABCDEF") == prefix
    ]
    return found


def test_every_target_has_retries_and_a_dead_letter_queue_of_its_own(assembly: Assembly) -> None:
    targets = [t for r in assembly.resources("AWS::Events::Rule") for t in r.properties["Targets"]]
    queues = [json.dumps(t["DeadLetterConfig"]["Arn"]) for t in targets]

    assert len(targets) == 20
    assert len(set(queues)) == len(queues)
    for target in targets:
        assert target["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": 86400,
            "MaximumRetryAttempts": 48,
        }


def test_every_target_is_given_the_whole_event(assembly: Assembly) -> None:
    for found in assembly.resources("AWS::Events::Rule"):
        for target in found.properties["Targets"]:
            assert {"Input", "InputPath", "InputTransformer"}.isdisjoint(target), found.name


def test_every_function_behind_a_rule_keeps_the_events_that_it_fails_on(
    assembly: Assembly,
) -> None:
    called = {
        f"{r.stack}/{t['Arn']['Fn::GetAtt'][0]}"
        for r in assembly.resources("AWS::Events::Rule")
        for t in r.properties["Targets"]
        if _is_function(assembly, r.stack, t)
    }
    keeping = {
        f"{r.stack}/{r.properties['FunctionName']['Ref']}"
        for r in assembly.resources("AWS::Lambda::EventInvokeConfig")
        if r.properties["DestinationConfig"]["OnFailure"]["Destination"]
    }

    assert called == keeping
    assert len(called) == 10


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Registry/ManifestUploaded", [{"wildcard": "models/*/uploads/*/manifest.json"}]),
        (
            "Registry/FileUploaded",
            [{"anything-but": {"wildcard": ["models/*/uploads/*", "registry/*"]}}],
        ),
    ],
)
def test_uploads_start_a_registration(
    assembly: Assembly, name: str, pattern: list[dict[str, Any]]
) -> None:
    found = rule(assembly, name).properties

    assert found["EventPattern"]["source"] == ["aws.s3"]
    assert found["EventPattern"]["detail-type"] == ["Object Created"]
    assert found["EventPattern"]["detail"]["object"] == {"key": pattern}
    assert list(found["EventPattern"]["detail"]["bucket"]) == ["name"]
    assert "EventBusName" not in found
    assert found["Targets"][0]["Arn"]["Ref"].startswith("VersionRegistration")


@pytest.mark.parametrize(
    ("name", "detail_type", "detail", "target"),
    [
        (
            "Serving/VersionRegistered",
            ["ModelVersionRegistered", "VersionApproved"],
            None,
            "ModelRollout",
        ),
        (
            "Serving/RolloutWanted",
            [
                "RolloutRequested",
                "RolloutHandedOver",
                "RolloutEnded",
                "RetirementPostponed",
                "DeploymentDeletionRequested",
            ],
            {"data": {"needs_execution": [True]}},
            "ModelRollout",
        ),
        ("Serving/RolloutCommanded", ["RolloutCommanded"], None, "WakeRollout"),
        (
            "Serving/DeploymentSwitchWanted",
            ["DeploymentStopped", "DeploymentResumed"],
            None,
            "SwitchDeployment",
        ),
        ("Registry/VersionDeleted", ["ModelVersionDeleted"], None, "DeleteArtifacts"),
        (
            "Registry/GovernanceRolloutPromoted",
            ["RolloutEnded"],
            {"data": {"state": ["Promoted"]}},
            "FollowPromotion",
        ),
    ],
)
def test_domain_events_reach_what_they_start(
    assembly: Assembly,
    name: str,
    detail_type: list[str],
    detail: dict[str, Any] | None,
    target: str,
) -> None:
    found = rule(assembly, name).properties

    assert found["EventPattern"].get("detail") == detail
    assert found["EventPattern"]["detail-type"] == detail_type
    assert "EventBusName" in found
    assert target in json.dumps(found["Targets"][0]["Arn"])


@pytest.mark.parametrize("name", ["Registry/VersionRegistrationEnded", "Serving/ModelRolloutEnded"])
def test_executions_that_died_are_recorded(assembly: Assembly, name: str) -> None:
    found = rule(assembly, name).properties
    detail = found["EventPattern"]["detail"]

    assert found["EventPattern"]["source"] == ["aws.states"]
    assert detail["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    assert detail["stateMachineArn"][0]["Ref"].startswith(name.split("/")[1].removesuffix("Ended"))
    assert "RecordEndedExecution" in json.dumps(found["Targets"][0]["Arn"])


@pytest.mark.parametrize("stack", ["Events", "Auditing"])
def test_changes_of_the_table_are_handed_on_or_kept_whole(assembly: Assembly, stack: str) -> None:
    mappings = assembly.resources("AWS::Lambda::EventSourceMapping")
    (stream,) = [m.properties for m in mappings if (m.stack, m.id) == (stack, "Stream")]

    assert stream["StartingPosition"] == "TRIM_HORIZON"
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["MaximumRetryAttempts"] == 10
    assert stream["MaximumRecordAgeInSeconds"] < 24 * 3600  # what a stream keeps
    assert "FailedRecords" in json.dumps(stream["DestinationConfig"]["OnFailure"]["Destination"])


def test_no_more_than_two_functions_read_the_stream(assembly: Assembly) -> None:
    """A third one would be throttled: a shard is read by at most two at a time."""
    mappings = assembly.resources("AWS::Lambda::EventSourceMapping")
    readers = [m for m in mappings if "StreamArn" in json.dumps(m.properties["EventSourceArn"])]

    assert len(readers) == 2


def test_queues_are_encrypted_and_keep_messages_for_two_weeks(assembly: Assembly) -> None:
    for queue in assembly.resources("AWS::SQS::Queue"):
        assert queue.properties["SqsManagedSseEnabled"] is True
        assert queue.properties["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_on_aws_events_are_archived_and_every_queue_raises_an_alarm(on_aws: Assembly) -> None:
    archive = on_aws.only("AWS::Events::Archive").properties
    queues = on_aws.resources("AWS::SQS::Queue")
    watched = {
        dimension["Value"]["Fn::ImportValue"]
        for alarm in on_aws.resources("AWS::CloudWatch::Alarm")
        for dimension in alarm.properties.get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    }

    assert archive["RetentionDays"] >= 30
    assert len(watched) == len(queues)
    assert all(
        alarm.properties["AlarmActions"] for alarm in on_aws.resources("AWS::CloudWatch::Alarm")
    )


def _is_function(assembly: Assembly, stack: str, target: dict[str, Any]) -> bool:
    logical_id = target["Arn"].get("Fn::GetAtt", [""])[0]
    found = assembly.templates[stack]["Resources"].get(logical_id, {})
    return bool(found.get("Type") == "AWS::Lambda::Function")
