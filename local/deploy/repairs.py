"""What MiniStack's CloudFormation leaves out, done again from the template itself.

MiniStack accepts these properties and ignores them: a DynamoDB table's TimeToLiveSpecification and
an HTTP API's CorsConfiguration.
"""

import json
from typing import Any

from local.deploy.assembly import StackArtifact
from local.deploy.clients import EmbeddedCloud
from local.deploy.stacks import physical_names


class RepairError(Exception):
    """A property holds an expression, so the template alone does not tell its value."""


def repair(cloud: EmbeddedCloud, stack: StackArtifact) -> None:
    """Bring the ignored properties of a deployed stack into force; repeating it is harmless."""
    resources: dict[str, Any] = json.loads(stack.template.read_text()).get("Resources", {})
    concerned = {
        logical_id: resource
        for logical_id, resource in resources.items()
        if resource["Type"] in REPAIRS
    }
    names = physical_names(cloud, stack) if concerned else {}
    for logical_id, resource in concerned.items():
        REPAIRS[resource["Type"]](cloud, names[logical_id], resource.get("Properties", {}))


def _time_to_live(cloud: EmbeddedCloud, table: str, properties: dict[str, Any]) -> None:
    wanted = properties.get("TimeToLiveSpecification")
    if wanted is None:
        return
    dynamodb = cloud.client("dynamodb")
    now = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    enabled = now.get("TimeToLiveStatus") == "ENABLED"
    if enabled != wanted["Enabled"] or now.get("AttributeName") != wanted["AttributeName"]:
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)


def _cors(cloud: EmbeddedCloud, api: str, properties: dict[str, Any]) -> None:
    wanted = properties.get("CorsConfiguration")
    if wanted is None:
        return
    if "Fn::" in json.dumps(wanted) or '"Ref"' in json.dumps(wanted):
        raise RepairError(f"CorsConfiguration of API {api} must be made of plain values")
    cloud.client("apigatewayv2").update_api(ApiId=api, CorsConfiguration=wanted)


REPAIRS = {"AWS::DynamoDB::Table": _time_to_live, "AWS::ApiGatewayV2::Api": _cors}
