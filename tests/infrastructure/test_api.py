"""The HTTP API: the routes are the OpenAPI document's, and closed unless it opens them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cdk.paths import Sources
from cdk.stacks.api import Route, read_routes
from tests.infrastructure.assembly import Assembly

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture(scope="module")
def operations() -> dict[str, dict[str, Any]]:
    """Every operation of the checked-in document, by its route key."""
    document = json.loads(Sources().openapi.read_text())
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_routes_are_the_documents_operations(
    assembly: Assembly, operations: dict[str, dict[str, Any]]
) -> None:
    routes = [r.properties["RouteKey"] for r in assembly.resources("AWS::ApiGatewayV2::Route")]

    assert sorted(routes) == sorted(operations)


def test_every_route_asks_for_a_token_unless_the_document_opens_it(
    assembly: Assembly, operations: dict[str, dict[str, Any]]
) -> None:
    authorizer = assembly.only("AWS::ApiGatewayV2::Authorizer")
    opened = {key for key, operation in operations.items() if operation.get("security") == []}

    assert opened
    for route in assembly.resources("AWS::ApiGatewayV2::Route"):
        key = route.properties["RouteKey"]
        if key in opened:
            assert route.properties["AuthorizationType"] == "NONE"
        else:
            assert route.properties["AuthorizationType"] == "JWT"
            assert route.properties["AuthorizerId"] == {"Ref": authorizer.id}


def test_operations_reach_the_function_that_the_document_names(
    assembly: Assembly, operations: dict[str, dict[str, Any]]
) -> None:
    integrations = {r.id: r for r in assembly.resources("AWS::ApiGatewayV2::Integration")}
    for route in assembly.resources("AWS::ApiGatewayV2::Route"):
        target = json.dumps(route.properties["Target"])
        entry = operations[route.properties["RouteKey"]]["x-headrace-function"].removesuffix("/api")
        name = "".join(word.capitalize() for word in re.split("[/_]", entry))
        assert f'"{name}Integration"' in target
    assert len(integrations) == len({o["x-headrace-function"] for o in operations.values()}) == 17


def test_tokens_of_the_pools_client_are_accepted_and_no_others(assembly: Assembly) -> None:
    authorizer = assembly.only("AWS::ApiGatewayV2::Authorizer").properties

    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert "UsersClient" in json.dumps(authorizer["JwtConfiguration"]["Audience"])
    assert "cognito-idp." in json.dumps(authorizer["JwtConfiguration"]["Issuer"])


def test_every_request_leaves_one_line_without_secrets(assembly: Assembly) -> None:
    stage = assembly.only("AWS::ApiGatewayV2::Stage").properties
    line = json.loads(stage["AccessLogSettings"]["Format"])

    assert {"request_id", "route", "status", "latency_ms", "tenant_id", "integration_error"} <= set(
        line
    )
    assert not [value for value in line.values() if "header" in value.lower()]
    assert stage["StageName"] == "$default"
    assert stage["AutoDeploy"] is True


def test_requests_are_throttled_and_other_origins_shut_out(assembly: Assembly) -> None:
    stage = assembly.only("AWS::ApiGatewayV2::Stage").properties
    api = assembly.only("AWS::ApiGatewayV2::Api").properties

    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] > 0
    assert "CorsConfiguration" not in api


def test_an_operation_is_open_only_where_it_says_so_itself(tmp_path: Path) -> None:
    document = {
        "security": [{"token": []}],
        "paths": {
            "/api/v1/healthz": {
                "get": {"x-headrace-function": "tenancy/api", "security": []},
                "parameters": [],
            },
            "/api/v1/projects/{project}": {
                "get": {"x-headrace-function": "projects/api"},
                "delete": {"x-headrace-function": "projects/api", "security": [{"token": []}]},
            },
        },
    }
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))

    assert read_routes(path) == [
        Route("GET /api/v1/healthz", "tenancy/api", open=True),
        Route("GET /api/v1/projects/{project}", "projects/api", open=False),
        Route("DELETE /api/v1/projects/{project}", "projects/api", open=False),
    ]


def test_an_operation_without_a_function_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps({"paths": {"/api/v1/me": {"get": {}}}}))

    with pytest.raises(KeyError, match="x-headrace-function"):
        read_routes(path)
