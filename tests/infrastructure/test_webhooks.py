"""Webhooks: who knows the keys of their secrets, how messages are handed out, and that nothing is lost unseen."""

import json
from typing import Any

import pytest

from tests.infrastructure.assembly import Assembly

KEYS = "dynamodb:LeadingKeys"


def queues(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return {
        resource.id: resource.properties
        for resource in assembly.resources("AWS::SQS::Queue")
        if resource.stack == "Webhooks"
    }


def mapping(assembly: Assembly, name: str) -> dict[str, Any]:
    [found] = [
        resource.properties
        for resource in assembly.resources("AWS::Lambda::EventSourceMapping")
        if resource.stack == "Webhooks" and resource.id.startswith(name)
    ]
    return found


def environment(assembly: Assembly, entry: str) -> dict[str, Any]:
    [found] = [
        resource.properties["Environment"]["Variables"]
        for resource in assembly.resources("AWS::Lambda::Function")
        if resource.properties["Description"] == f"functions/webhooks/{entry}.py"
    ]
    return dict(found)


def test_only_those_who_sign_or_show_a_secret_read_its_key(assembly: Assembly) -> None:
    holders = {
        statement.holder.rpartition("/")[2].partition("Role")[0]
        for statement in assembly.role_statements()
        if "secretsmanager:GetSecretValue" in statement.actions
        and "SigningKeys" in json.dumps(statement.resources)
    }

    assert holders == {"Api", "Deliver"}


@pytest.mark.parametrize(
    ("function", "operations"),
    [
        ("FanOut", {"GetItem", "PutItem"}),
        ("Deliver", {"GetItem", "BatchGetItem", "PutItem", "UpdateItem"}),
    ],
)
def test_the_table_is_theirs_by_tenants_alone(
    assembly: Assembly, function: str, operations: set[str]
) -> None:
    [found] = [
        statement
        for statement in assembly.statements_of(f"Webhooks/{function}Role")
        if any(action.startswith("dynamodb:") for action in statement.actions)
    ]

    assert {action.removeprefix("dynamodb:") for action in found.actions} == operations
    assert found.conditions["ForAllValues:StringLike"][KEYS] == ["TENANT#*"]


def test_a_message_holds_up_no_other(assembly: Assembly) -> None:
    deliveries = mapping(assembly, "DeliveriesMapping")

    assert deliveries["BatchSize"] == 1
    for name in ("EventsMapping", "DeliveriesMapping"):
        found = mapping(assembly, name)
        assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert 2 <= found["ScalingConfig"]["MaximumConcurrency"] <= 100


def test_queues_outlive_a_day_of_attempts_and_have_dead_letters(assembly: Assembly) -> None:
    for name, found in queues(assembly).items():
        assert found["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert found["SqsManagedSseEnabled"]
        if name.startswith(("Events", "Deliveries")):
            assert found["RedrivePolicy"]["maxReceiveCount"] == 20
            assert found["VisibilityTimeout"] == 180
    assert len(queues(assembly)) == 5


def test_every_dead_letter_queue_raises_an_alarm(on_aws: Assembly) -> None:
    alarms = {
        resource.id
        for resource in on_aws.resources("AWS::CloudWatch::Alarm")
        if "Webhooks" in resource.id
    }

    assert {name.partition("Webhooks")[0] for name in alarms} == {
        "QueueUnprocessedEvents",
        "QueueUnprocessedDeliveries",
        "QueueEventAnnouncedUndelivered",
    }


def test_this_machine_is_a_target_in_the_embedded_mode_alone(
    on_aws: Assembly, embedded: Assembly
) -> None:
    for entry in ("api", "deliver"):
        assert "WEBHOOKS_ALLOW_LOOPBACK" not in environment(on_aws, entry)
        assert environment(embedded, entry)["WEBHOOKS_ALLOW_LOOPBACK"] == "true"


def test_rule_asks_for_models_deployments_and_what_administrators_send(assembly: Assembly) -> None:
    [rule] = [r for r in assembly.resources("AWS::Events::Rule") if r.stack == "Webhooks"]

    assert rule.properties["EventPattern"] == {
        "source": ["headrace.registry", "headrace.serving", "headrace.webhooks"]
    }
