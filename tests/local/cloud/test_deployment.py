"""Cloud assemblies brought into the embedded cloud, changed, broken and mended."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.deploy.deployment import deploy
from local.deploy.stacks import DeploymentError
from tests.local.cloud.deployed import ROLE, Account

BUCKET = "cdk-hnb659fds-assets-000000000000-us-east-1"

API = {
    "Type": "AWS::ApiGatewayV2::Api",
    "Properties": {
        "Name": "api",
        "ProtocolType": "HTTP",
        "CorsConfiguration": {"AllowOrigins": ["https://console.example"], "AllowMethods": ["GET"]},
    },
}
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
    },
}
QUEUE = {"Type": "AWS::SQS::Queue"}


class App:
    """A cloud assembly of one stack, with one function, written as the CDK writes it."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder = folder
        self.account = account
        self.stack = f"Stack-{account.name()}"
        self.reported: list[str] = []

    def deploy(self, resources: dict[str, Any], answer: str = "first") -> dict[str, str]:
        self._write(resources, answer)
        self.reported.clear()
        return deploy(self.account.cloud, self.folder, self.reported.append)

    def _write(self, resources: dict[str, Any], answer: str) -> None:
        code = self.folder / f"asset.{answer}"
        code.mkdir(parents=True, exist_ok=True)
        (code / "api.py").write_text(f"def lambda_handler(event, context):\n    return {answer!r}")
        function = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "api.lambda_handler",
                "Role": ROLE,
                "Code": {"S3Bucket": BUCKET, "S3Key": f"{self.stack}-{answer}.zip"},
            },
        }
        template = {
            "Resources": {"Api": API, "Table": TABLE, "Answer": function, **resources},
            "Outputs": {
                "ApiId": {"Value": {"Ref": "Api"}},
                "TableName": {"Value": {"Ref": "Table"}},
                "FunctionName": {"Value": {"Ref": "Answer"}},
                "ExportsOutputRefTable": {"Value": {"Ref": "Table"}},
            },
        }
        body = json.dumps(template)
        (self.folder / "template.json").write_text(body)
        key = f"{self.stack}-{abs(hash(body))}.json"
        files = {
            "code": _file(f"asset.{answer}", "zip", f"{self.stack}-{answer}.zip"),
            "template": _file("template.json", "file", key),
        }
        (self.folder / "assets.json").write_text(json.dumps({"files": files, "dockerImages": {}}))
        artifacts = {
            "Assets": {"type": "cdk:asset-manifest", "properties": {"file": "assets.json"}},
            self.stack: {
                "type": "aws:cloudformation:stack",
                "dependencies": ["Assets"],
                "properties": {
                    "templateFile": "template.json",
                    "stackTemplateAssetObjectUrl": f"s3://{BUCKET}/{key}",
                },
            },
        }
        (self.folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))


def _file(path: str, packaging: str, key: str) -> dict[str, Any]:
    return {
        "source": {"path": path, "packaging": packaging},
        "destinations": {"here": {"bucketName": BUCKET, "objectKey": key}},
    }


@pytest.fixture
def app(tmp_path: Path, account: Account) -> App:
    return App(tmp_path, account)


def test_a_repeated_deployment_does_nothing(app: App) -> None:
    outputs = app.deploy({})
    assert app.reported == ["uploaded 2 assets", f"deployed {app.stack}"]
    assert set(outputs) == {"ApiId", "TableName", "FunctionName"}

    assert app.deploy({}) == outputs
    assert app.reported == []


def test_changed_code_runs_and_a_removed_resource_goes(app: App, account: Account) -> None:
    name = account.name()
    queue = {**QUEUE, "Properties": {"QueueName": name}}
    function = app.deploy({"Queue": queue})["FunctionName"]
    assert account.invoke(function, {}) == (None, "first")
    assert _queues(account, name)

    app.deploy({}, answer="second")
    assert account.invoke(function, {}) == (None, "second")
    assert not _queues(account, name)


def test_what_the_emulator_ignores_is_in_force_all_the_same(app: App, account: Account) -> None:
    outputs = app.deploy({})
    described = account.client("dynamodb").describe_time_to_live(TableName=outputs["TableName"])
    api = account.client("apigatewayv2").get_api(ApiId=outputs["ApiId"])

    assert described["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expires_at",
    }
    assert api["CorsConfiguration"]["AllowOrigins"] == ["https://console.example"]


def test_a_failed_stack_names_the_resource_and_a_corrected_one_deploys(app: App) -> None:
    absent = "arn:aws:lambda:us-east-1:000000000000:function:absent"
    broken = {
        "Broken": {
            "Type": "AWS::CloudFormation::CustomResource",
            "Properties": {"ServiceToken": absent},
        }
    }
    with pytest.raises(DeploymentError, match=rf"{app.stack} ended as .*: Broken \(.*{absent}"):
        app.deploy(broken)

    assert app.deploy({})["FunctionName"]
    with pytest.raises(DeploymentError, match="UPDATE_ROLLBACK_COMPLETE: Broken"):
        app.deploy(broken)
    assert app.deploy({}, answer="second")["FunctionName"]


def test_a_resource_that_the_emulator_does_not_know_is_refused_by_name(app: App) -> None:
    with pytest.raises(DeploymentError, match=r"AWS::Budgets::Budget.*stacks that only AWS gets"):
        app.deploy({"Budget": {"Type": "AWS::Budgets::Budget"}})


def _queues(account: Account, name: str) -> list[str]:
    found: list[str] = account.client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    return found
