"""What an embedded cloud still knows after it was stopped and started again."""

from pathlib import Path

from local import services
from local.deploy.clients import EmbeddedCloud
from local.processes import Processes
from local.settings import PROJECT, load
from tests.local.cloud.deployed import Account
from tests.waiting import eventually

# Copies each new item into the bucket `seen`, under its key.
COPYING = """
import os
import boto3

def handle(event, context):
    for record in event["Records"]:
        key = record["dynamodb"]["Keys"]["pk"]["S"]
        boto3.client("s3").put_object(Bucket="seen", Key=key, Body=b"")
"""


def test_a_table_stream_goes_on_after_a_restart(tmp_path: Path) -> None:
    settings = load(tmp_path, "auto", environment={})
    processes = Processes(settings.state, PROJECT)
    service = services.cloud(settings)
    account = Account(EmbeddedCloud(settings.endpoint))
    dynamodb, s3 = account.client("dynamodb"), account.client("s3")

    def seen() -> set[str]:
        return {item["Key"] for item in s3.list_objects_v2(Bucket="seen").get("Contents", [])}

    try:
        processes.start(service)
        processes.wait_ready(service)
        s3.create_bucket(Bucket="seen")
        made = dynamodb.create_table(
            TableName="events",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        account.client("lambda").create_event_source_mapping(
            FunctionName=account.function(COPYING),
            EventSourceArn=made["TableDescription"]["LatestStreamArn"],
            StartingPosition="TRIM_HORIZON",
        )
        for key in ("a", "b", "c"):
            dynamodb.put_item(TableName="events", Item={"pk": {"S": key}})
        eventually(lambda: seen() == {"a", "b", "c"}, "the delivery before the restart")
        processes.stop(service.name)

        processes.start(service)
        processes.wait_ready(service)
        dynamodb.put_item(TableName="events", Item={"pk": {"S": "d"}})
        eventually(lambda: "d" in seen(), "the delivery after the restart")
    finally:
        processes.stop(service.name)


def test_functions_layers_items_and_objects_survive_a_restart(tmp_path: Path) -> None:
    settings = load(tmp_path, "auto", environment={})
    processes = Processes(settings.state, PROJECT)
    service = services.cloud(settings)
    account = Account(EmbeddedCloud(settings.endpoint))
    try:
        processes.start(service)
        processes.wait_ready(service)
        layers = [account.layer({"python/greeting.py": "WORD = 'hello'"}) for _ in range(2)]
        function = account.function(
            "import greeting\ndef handle(event, context):\n    return greeting.WORD", layers
        )
        dynamodb, s3 = account.client("dynamodb"), account.client("s3")
        dynamodb.create_table(
            TableName="kept",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        dynamodb.put_item(TableName="kept", Item={"pk": {"S": "item"}})
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="object", Body=b"content")
        processes.stop(service.name)
        saved = settings.state / "cloud" / "services"
        # Equal layers and the function's code: one file each.
        assert len(list(saved.glob("lambda-blobs/*"))) == 2

        processes.start(service)
        processes.wait_ready(service)
        assert account.invoke(function, {}) == (None, "hello")
        assert dynamodb.get_item(TableName="kept", Key={"pk": {"S": "item"}})["Item"]
        assert s3.get_object(Bucket="kept", Key="object")["Body"].read() == b"content"
    finally:
        processes.stop(service.name)
