"""AWS as the functions meet it: moto's server over HTTP, with a table and a bucket of each test's own."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from moto.server import ThreadedMotoServer

from tests.functions.moto_answers import prompt_answers
from tests.functions.moto_transactions import isolated_transactions
from tests.functions.samples import Json

REGION = "us-east-1"
ACCESS = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "AKIATESTFUNCTION",
    "AWS_SECRET_ACCESS_KEY": "test-function-secret-key",
    "AWS_SESSION_TOKEN": "test-function-session-token",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1",
}
# Moto finds the table of an assumed role in the role's account: its own default one.
TENANT_ROLE_ARN = "arn:aws:iam::123456789012:role/headrace-tenant-data"
_numbers = itertools.count(1)


@contextmanager
def running_moto() -> Iterator[str]:
    """Moto's server in a thread; yields its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with isolated_transactions(), prompt_answers():
        server.start()
        host, port = server.get_host_and_port()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.stop()


class Clients:
    """boto3's clients of one moto server, made once: they are for looking on, not what is tested."""

    def __init__(self, url: str) -> None:
        session = boto3.Session(
            aws_access_key_id="AKIATESTLOOKINGON",
            aws_secret_access_key="looking-on",
            region_name=REGION,
        )
        make: Any = session.client
        self.url = url
        self.dynamodb = make("dynamodb", endpoint_url=url)
        self.streams = make("dynamodbstreams", endpoint_url=url)
        self.s3 = make("s3", endpoint_url=url)
        self.secrets = make("secretsmanager", endpoint_url=url)
        self.events = make("events", endpoint_url=url)
        self.scheduler = make("scheduler", endpoint_url=url)
        self.sqs = make("sqs", endpoint_url=url)
        self.identity = make("cognito-idp", endpoint_url=url)


@dataclass(frozen=True)
class Cloud:
    """What one test's functions work on, seen from the outside."""

    clients: Clients
    table: str
    bucket: str
    cursor_secret: str
    user_pool: str
    client: str
    audit_secret: str
    audit_anchors: str

    @property
    def s3(self) -> Any:
        return self.clients.s3

    @property
    def settings(self) -> dict[str, str]:
        """The environment of every function: each reads what is its own."""
        return ACCESS | {
            "AWS_ENDPOINT_URL": self.clients.url,
            "TABLE_NAME": self.table,
            "MODELS_BUCKET": self.bucket,
            "UPLOAD_ROLE_ARN": "arn:aws:iam::111122223333:role/headrace-upload",
            "TENANT_ROLE_ARN": TENANT_ROLE_ARN,
            "CURSOR_SECRET_ARN": self.cursor_secret,
            "AUDIT_SECRET_ARN": self.audit_secret,
            "AUDIT_ANCHORS_BUCKET": self.audit_anchors,
            "WEBHOOK_SECRET_ARN": self.audit_secret,
            "MACHINE_SECRET_ARN": self.cursor_secret,
            "USER_POOL_ID": self.user_pool,
            "CLIENT_ID": self.client,
            "INGRESS_URL": "http://ingress.example:8080",
            "POWERTOOLS_METRICS_NAMESPACE": "Headrace",
            "RETIRE_AFTER_SECONDS": "300",
            "ROLLOUT_TIMEOUT_SECONDS": "1800",
        }

    def put(self, pk: str, sk: str, **attributes: Any) -> None:
        item = {"pk": pk, "sk": sk} | attributes
        self.clients.dynamodb.put_item(TableName=self.table, Item=_wire(item))

    def put_many(self, items: list[Json]) -> None:
        for start in range(0, len(items), 25):
            requests = [{"PutRequest": {"Item": _wire(item)}} for item in items[start : start + 25]]
            self.clients.dynamodb.batch_write_item(RequestItems={self.table: requests})

    def item(self, pk: str, sk: str) -> Json:
        """The item as plain values; empty when there is none."""
        key = _wire({"pk": pk, "sk": sk})
        found = self.clients.dynamodb.get_item(TableName=self.table, Key=key)
        return plain(found.get("Item", {}))

    def items(self) -> list[Json]:
        found = self.clients.dynamodb.scan(TableName=self.table)
        assert "LastEvaluatedKey" not in found, "the test's table has become too large to look at"
        return [plain(item) for item in found["Items"]]

    def stored_events(self) -> list[Json]:
        """The detail of every event in the table's items."""
        return [json.loads(item["event"]["detail"]) for item in self.items() if "event" in item]

    def keys(self, prefix: str) -> list[str]:
        """The keys of the bucket's objects below a prefix."""
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", [])]

    def add_tenant(self, tenant_id: str, **attributes: Any) -> None:
        self.put(f"TENANT#{tenant_id}", "TENANT", tenant_id=tenant_id, **attributes)

    def stream_records(self) -> Json:
        """Every record of the table's stream, as Lambda hands a batch to its function."""
        streams = self.clients.streams
        arn = streams.list_streams(TableName=self.table)["Streams"][0]["StreamArn"]
        shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = streams.get_records(ShardIterator=iterator)["Records"]
        for record in records:
            record["eventSourceARN"] = arn
            change = record["dynamodb"]
            change["ApproximateCreationDateTime"] = change[
                "ApproximateCreationDateTime"
            ].timestamp()
        return {"Records": records}


def create_cloud(clients: Clients, cursor_secret: str) -> Cloud:
    """A table with tenants acme and globex, and a versioned bucket, both under names of their own."""
    number = next(_numbers)
    cloud = Cloud(
        clients,
        f"headrace-{number}",
        f"headrace-models-{number}",
        cursor_secret,
        *_create_user_pool(clients, f"headrace-{number}"),
        _create_audit_secret(clients, number),
        f"headrace-audit-{number}",
    )
    clients.dynamodb.create_table(
        TableName=cloud.table,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    clients.s3.create_bucket(Bucket=cloud.bucket)
    clients.s3.create_bucket(Bucket=cloud.audit_anchors)
    clients.s3.put_bucket_versioning(
        Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    tenants = ("acme", "globex")
    cloud.put_many([{"pk": f"TENANT#{t}", "sk": "TENANT", "tenant_id": t} for t in tenants])
    return cloud


def _create_user_pool(clients: Clients, name: str) -> tuple[str, str]:
    """A pool with the groups of people's roles, and its client."""
    pool = clients.identity.create_user_pool(PoolName=name)["UserPool"]["Id"]
    client = clients.identity.create_user_pool_client(
        UserPoolId=pool,
        ClientName=name,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"],
    )["UserPoolClient"]["ClientId"]
    for group in ("tenant-admin", "developer", "viewer"):
        clients.identity.create_group(UserPoolId=pool, GroupName=group)
    return pool, client


def _create_audit_secret(clients: Clients, number: int) -> str:
    keys = json.dumps({"1": "a-secret-for-audit-chains"})
    made = clients.secrets.create_secret(Name=f"audit-{number}", SecretString=keys)
    return str(made["ARN"])


def plain(item: Mapping[str, Any]) -> Json:
    """An item without DynamoDB's type letters; all numbers are whole."""
    read = TypeDeserializer()
    return {name: _whole(read.deserialize(value)) for name, value in item.items()}


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value if isinstance(value, str | bool | set | bytes | type(None)) else int(value)


def _wire(item: Json) -> Json:
    write = TypeSerializer()
    return {name: write.serialize(value) for name, value in item.items()}
