"""Tiers: what the functions may do with whose items, and what starts the state machine."""

import json

import pytest

from cdk.paths import Sources
from tests.infrastructure.assembly import Assembly, Statement

LEADING = "dynamodb:LeadingKeys"
PLATFORM, TENANTS = "PLATFORM", "TENANT#*"
# Operation by operation, the partitions that each function may touch.
RIGHTS = {
    "Tiers/ApiRole": {
        "GetItem": {PLATFORM},
        "Query": {PLATFORM},
        "BatchGetItem": {PLATFORM, TENANTS},
        "PutItem": {PLATFORM, TENANTS},
        "UpdateItem": {PLATFORM, TENANTS},
        "ConditionCheckItem": {PLATFORM, TENANTS},
    },
    "Tiers/ApplyLimitsRole": {
        "GetItem": {PLATFORM},
        "BatchGetItem": {TENANTS},
        "PutItem": {TENANTS},
        "UpdateItem": {PLATFORM, TENANTS},
        "ConditionCheckItem": {PLATFORM},
    },
    "Tiers/RecordPropagationRole": {
        "GetItem": {PLATFORM},
        "Query": {PLATFORM},
        "BatchGetItem": {PLATFORM, TENANTS},
        "UpdateItem": {PLATFORM, TENANTS},
        "ConditionCheckItem": {PLATFORM},
    },
}


def leading_keys(statement: Statement) -> set[str]:
    return set(statement.conditions["ForAllValues:StringLike"][LEADING])


@pytest.mark.parametrize("role", RIGHTS)
def test_each_operation_reaches_just_the_partitions_that_it_needs(
    on_aws: Assembly, role: str
) -> None:
    found: dict[str, set[str]] = {}
    for statement in on_aws.statements_of(role):
        for action in statement.actions:
            if action.startswith("dynamodb:"):
                operation = action.removeprefix("dynamodb:")
                found.setdefault(operation, set()).update(leading_keys(statement))

    assert found == RIGHTS[role]


def test_only_the_task_that_applies_limits_reaches_the_cluster(assembly: Assembly) -> None:
    reaching = {
        f.entry for f in assembly.functions() if f.entry.startswith("tiers/") and len(f.layers) == 3
    }

    assert reaching == {"tiers/apply_limits"}


def test_the_machine_starts_from_every_change_that_tenants_must_be_told_of(
    on_aws: Assembly,
) -> None:
    rules = [
        r.properties["EventPattern"]
        for r in on_aws.resources("AWS::Events::Rule")
        if r.stack == "Tiers" and "EventBusName" in r.properties
    ]
    patterns = {tuple(rule["detail-type"]): rule.get("detail") for rule in rules}

    assert patterns == {
        (
            "TierChanged",
            "TierPropagationRequested",
            "TierPropagationContinued",
            "SubscriptionChanged",
        ): {"data": {"needs_execution": [True]}},
        ("TenantOnboarded",): None,
    }


def test_the_tenants_are_reached_a_few_at_a_time_and_one_failure_stops_no_other() -> None:
    definition = json.loads((Sources().statemachines / "tier_propagation.asl.json").read_text())
    tenants = definition["States"]["ApplyToTenants"]

    assert 1 < tenants["MaxConcurrency"] <= 10
    caught = [c["ErrorEquals"] for c in tenants["ItemProcessor"]["States"]["ApplyLimits"]["Catch"]]
    assert caught == [["States.ALL"]]
