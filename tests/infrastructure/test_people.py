"""What the functions of people and machines may do, and who may knock at the open door."""

import pytest

from tests.infrastructure.assembly import Assembly

POOL = "cognito-idp:"
# By the function's role: what it may do in the user pool, and no more.
POOL_ACTIONS = {
    "People/ApiRole": set(),
    "People/CheckKeyRole": set(),
    "People/TokenApiRole": {
        "AdminCreateUser",
        "AdminSetUserPassword",
        "AdminGetUser",
        "AdminInitiateAuth",
    },
    "People/ApplyIdentityRole": {
        "AdminCreateUser",
        "AdminGetUser",
        "AdminDeleteUser",
        "AdminEnableUser",
        "AdminDisableUser",
        "AdminUserGlobalSignOut",
        "AdminResetUserPassword",
        "AdminListGroupsForUser",
        "AdminAddUserToGroup",
        "AdminRemoveUserFromGroup",
        "CreateGroup",
        "DeleteGroup",
    },
    "Identity/IssueClaims": {"AdminGetUser"},
}


@pytest.mark.parametrize("role", POOL_ACTIONS)
def test_each_function_does_in_the_pool_what_it_must(assembly: Assembly, role: str) -> None:
    statements = [
        statement
        for statement in assembly.statements_of(role)
        if any(action.startswith(POOL) for action in statement.actions)
    ]

    allowed = {action.removeprefix(POOL) for found in statements for action in found.actions}
    assert allowed == POOL_ACTIONS[role]
    for statement in statements:
        assert statement.resources != ["*"]
        assert all("Users" in str(resource) for resource in statement.resources)


@pytest.mark.parametrize(
    ("role", "operations"),
    [
        ("People/CheckKeyRole", {"BatchGetItem"}),
        ("People/TokenApiRole", {"BatchGetItem", "PutItem", "UpdateItem"}),
        ("People/ApplyIdentityRole", {"GetItem", "BatchGetItem", "PutItem", "UpdateItem"}),
        ("Identity/IssueClaimsRole", {"GetItem", "BatchGetItem", "UpdateItem"}),
    ],
)
def test_the_table_is_theirs_by_leading_keys_alone(
    assembly: Assembly, role: str, operations: set[str]
) -> None:
    statements = [
        statement
        for statement in assembly.statements_of(role)
        if any(action.startswith("dynamodb:") for action in statement.actions)
    ]

    allowed = {action.partition(":")[2] for found in statements for action in found.actions}
    assert allowed == operations
    for statement in statements:
        keys = set(statement.conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
        assert keys <= {"TENANT#*", "PLATFORM#USER#*", "PLATFORM"}
        assert ("PLATFORM" in keys) == (role == "Identity/IssueClaimsRole")


def test_only_the_token_function_reads_the_secret_of_machines(assembly: Assembly) -> None:
    holders = {
        statement.holder
        for statement in assembly.role_statements()
        if "MachineSecret" in str(statement.resources)
    }

    assert [holder.split("Role")[0] for holder in holders] == ["People/TokenApi"]


def test_the_open_route_is_throttled_and_the_stage_waits_for_it(assembly: Assembly) -> None:
    stage = assembly.only("AWS::ApiGatewayV2::Stage")
    settings = stage.properties["RouteSettings"]["POST /api/v1/token"]
    default = stage.properties["DefaultRouteSettings"]

    assert settings["ThrottlingRateLimit"] * 10 < default["ThrottlingRateLimit"]
    assert settings["ThrottlingBurstLimit"] <= 100
    [route] = [
        r
        for r in assembly.resources("AWS::ApiGatewayV2::Route")
        if r.properties["RouteKey"] == "POST /api/v1/token"
    ]
    assert route.properties["AuthorizationType"] == "NONE"
    assert route.id in stage.body["DependsOn"]


def test_events_that_cannot_be_followed_are_kept(assembly: Assembly) -> None:
    [rule] = [
        r
        for r in assembly.resources("AWS::Events::Rule")
        if r.stack == "People" and r.id.startswith("IdentityChanged")
    ]

    assert rule.properties["EventPattern"]["source"] == ["headrace.people"]
    [target] = rule.properties["Targets"]
    assert target["DeadLetterConfig"]["Arn"]
