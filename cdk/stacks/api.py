"""The HTTP API: its routes come from the OpenAPI document that the functions are made with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.function_layers import FunctionLayers
from cdk.stacks.data import DataStack
from cdk.stacks.identity import IdentityStack
from cdk.target import Target

# Requests a second, and at once, of routes that need less than the others: whoever has no token may try keys, and
# Cognito signs in a hundred or so a second for the whole account.
_THROTTLED = {"POST /api/v1/token": (20, 40)}
_METHODS = ("get", "put", "post", "patch", "delete")
# One line a request, and nothing that could be replayed: no header, no body, no token.
_ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "function_latency_ms": "$context.integrationLatency",
    "tenant_id": "$context.authorizer.claims.tenant_id",
    "error": "$context.error.message",
    "integration_error": "$context.integrationErrorMessage",
}


@dataclass(frozen=True)
class Route:
    """An operation of the OpenAPI document: its route key and the function that answers it."""

    key: str
    function: str
    open: bool


def read_routes(openapi: Path) -> list[Route]:
    """The routes of an OpenAPI document, by its paths below the first server's path.

    Each operation names its function in `x-headrace-function`; `security: []` opens it to callers
    without a token. Raises KeyError for an operation that names no function.
    """
    document = json.loads(openapi.read_text())
    return [
        Route(
            key=f"{method.upper()} {path}",
            function=operation["x-headrace-function"],
            open=operation.get("security", document.get("security")) == [],
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]


class ApiStack(Stack):
    """One HTTP API with its JWT authorizer, and one integration a capability."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        target: Target,
        data: DataStack,
        identity: IdentityStack,
        functions: Mapping[str, ControlPlaneFunction],
    ) -> None:
        """`functions` are those of other stacks, by their entry."""
        super().__init__(scope, id, env=target.environment)
        self.api = apigateway.CfnApi(
            self,
            "HttpApi",
            name=f"{target.stack_prefix}-api",
            description="Headrace's control plane",
            protocol_type="HTTP",
        )
        self._authorizer = self._authorize(identity)
        self._throttled: dict[str, apigateway.CfnRoute] = {}
        self._add_routes(
            read_routes(target.sources.openapi), {**functions, **self._functions(target, data)}
        )
        self._publish(target)
        CfnOutput(self, "ApiId", value=self.api.ref)
        if target.on_aws:
            CfnOutput(self, "ApiUrl", value=self.api.attr_api_endpoint)

    def _functions(self, target: Target, data: DataStack) -> dict[str, ControlPlaneFunction]:
        """Those that no state machine goes with."""
        layers = FunctionLayers(self, "Layers", target=target)
        table, secret = data.table, data.cursor_secret
        shared: dict[str, Any] = {"target": target, "layers": layers.runtime}
        docs = ControlPlaneFunction(self, "Docs", entry="docs/api", **shared)
        tenancy = ControlPlaneFunction(
            self,
            "Tenancy",
            entry="tenancy/api",
            settings={"TABLE_NAME": table.table_name},
            **shared,
        )
        data.tenant_access.allow(tenancy)
        projects = ControlPlaneFunction(
            self,
            "Projects",
            entry="projects/api",
            settings={"TABLE_NAME": table.table_name, "CURSOR_SECRET_ARN": secret.secret_arn},
            **shared,
        )
        data.tenant_access.allow(projects)
        projects.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        policies = ControlPlaneFunction(
            self,
            "Policies",
            entry="authorization/api",
            settings={"TABLE_NAME": table.table_name, "CURSOR_SECRET_ARN": secret.secret_arn},
            **shared,
        )
        data.tenant_access.allow(policies)
        policies.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        return {
            "docs/api": docs,
            "tenancy/api": tenancy,
            "projects/api": projects,
            "authorization/api": policies,
        }

    def _authorize(self, identity: IdentityStack) -> apigateway.CfnAuthorizer:
        return apigateway.CfnAuthorizer(
            self,
            "Tokens",
            api_id=self.api.ref,
            name="cognito-access-tokens",
            authorizer_type="JWT",
            identity_source=["$request.header.Authorization"],
            jwt_configuration=apigateway.CfnAuthorizer.JWTConfigurationProperty(
                audience=[identity.client.user_pool_client_id],
                issuer=f"https://cognito-idp.{self.region}.amazonaws.com/{identity.pool.user_pool_id}",
            ),
        )

    def _add_routes(
        self, routes: list[Route], functions: Mapping[str, ControlPlaneFunction]
    ) -> None:
        named = {route.function for route in routes}
        if named != set(functions):
            raise ValueError(
                "the OpenAPI document and the stacks disagree about API functions: "
                f"only in the document {sorted(named - set(functions))}, "
                f"only in the stacks {sorted(set(functions) - named)}"
            )
        targets = {entry: self._integrate(entry, function) for entry, function in functions.items()}
        for route in routes:
            self._add_route(route, targets[route.function])

    def _integrate(self, entry: str, function: ControlPlaneFunction) -> str:
        """Make the function the target of routes, and return that target."""
        # The module `api` of a capability goes by the capability's name alone.
        name = "".join(
            word.capitalize() for word in entry.removesuffix("/api").replace("/", "_").split("_")
        )
        integration = apigateway.CfnIntegration(
            self,
            f"{name}Integration",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_uri=function.function_arn,
            payload_format_version="2.0",
        )
        lambda_.CfnPermission(
            self,
            f"{name}Permission",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self.format_arn(
                service="execute-api", resource=self.api.ref, resource_name="*/*"
            ),
        )
        return f"integrations/{integration.ref}"

    def _add_route(self, route: Route, target: str) -> None:
        words = "".join(
            word.capitalize() for word in route.key.replace("{", " ").replace("}", " ").split("/")
        )
        resource = apigateway.CfnRoute(
            self,
            "Route" + "".join(letter for letter in words if letter.isalnum()),
            api_id=self.api.ref,
            route_key=route.key,
            target=target,
            authorization_type="NONE" if route.open else "JWT",
            authorizer_id=None if route.open else self._authorizer.ref,
        )
        if route.open:
            acknowledge(
                resource, "APIG4", "The OpenAPI document opens it: it tells nothing of tenants"
            )
        if route.key in _THROTTLED:
            self._throttled[route.key] = resource

    def _publish(self, target: Target) -> None:
        log_group = logs.LogGroup(
            self, "AccessLog", retention=target.log_retention, removal_policy=target.removal
        )
        stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.ref,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                detailed_metrics_enabled=True,
                throttling_rate_limit=500,
                throttling_burst_limit=1000,
            ),
            route_settings={
                key: {
                    "ThrottlingRateLimit": rate,
                    "ThrottlingBurstLimit": burst,
                    "DetailedMetricsEnabled": True,
                }
                for key, (rate, burst) in _THROTTLED.items()
                if key in self._throttled
            },
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=log_group.log_group_arn, format=json.dumps(_ACCESS_LOG)
            ),
        )
        # A stage cannot name a route that is not there yet.
        for resource in self._throttled.values():
            stage.add_dependency(resource)
