"""A table with as much of everything as wanted, what functions need beside it, and their settings."""

import json
import os
import uuid
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from http.client import OK, HTTPConnection
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from local.bench import entities
from local.bench.contents import fixed_items, numbered_items, room_for_webhooks
from local.bench.errors import BenchError
from local.deploy.clients import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, EmbeddedCloud

# The settings that name the role of tenants' sessions; without it a function works with its own role.
TENANT_ROLE = "TENANT_ROLE_ARN"
_BATCH = 25  # BatchWriteItem's own bound
_HEADERS = {
    "X-Amz-Target": "DynamoDB_20120810.BatchWriteItem",
    "Content-Type": "application/x-amz-json-1.0",
    # For embedded clouds alone, which look at the scope and check no signature.
    "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


@dataclass(frozen=True)
class Cloud:
    """A table, a user pool, secrets and a bucket of anchors of our own at an AWS endpoint.

    `resources` are the settings that name them.
    """

    aws: EmbeddedCloud
    table: str
    resources: dict[str, str]
    chain: entities.Chain = field(default_factory=entities.Chain)

    def settings(self, endpoint: str | None = None) -> dict[str, str]:
        """The environment of a function that works on it, by another way to the endpoint if given."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.aws.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_SESSION_TOKEN": "bench",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            "POWERTOOLS_SERVICE_NAME": "bench",
            "POWERTOOLS_METRICS_NAMESPACE": "Headrace",
            "TABLE_NAME": self.table,
            "MODELS_BUCKET": "headrace-bench",
            "INGRESS_URL": "http://127.0.0.1:8080",
            **self.resources,
        }

    def fill(self, first: int, end: int, *, used_up: bool = False) -> None:
        """Add the numbered items from `first` up to `end`; with `used_up` those alone that requests use up.

        Each number has one of every kind; from `contents.RARE` on only every tenth or hundredth has some.
        """
        self._store(
            item
            for number in range(first, end)
            for item in numbered_items(number, self.chain, used_up=used_up)
        )

    def store_fixed(self) -> None:
        """Add what lookups ask for."""
        self._store(fixed_items(self.chain))

    def make_room(self) -> None:
        """Let as many of what a tenant may have few of be made again as in the beginning."""
        self._store([room_for_webhooks()])

    def remove(self) -> None:
        """Delete the table, so that nobody saves what it holds."""
        self.aws.client("dynamodb").delete_table(TableName=self.table)

    def _store(self, items: Iterable[dict[str, Any]]) -> None:
        """BatchWriteItem by hand: a client would spend six times as long on serialising."""
        left = iter(items)
        with closing(HTTPConnection(urlsplit(self.aws.endpoint).netloc, timeout=60)) as connection:
            while batch := list(islice(left, _BATCH)):
                puts = [{"PutRequest": {"Item": item}} for item in batch]
                body = json.dumps({"RequestItems": {self.table: puts}})
                connection.request("POST", "/", body, _HEADERS)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != OK or json.loads(content).get("UnprocessedItems"):
                    raise BenchError(f"the items could not be stored: {content[:500]!r}")


def create_cloud(endpoint: str, items: int) -> Cloud:
    """A new table with the fixed items, and so many numbered ones of each kind."""
    aws = EmbeddedCloud(endpoint)
    name = f"headrace-bench-{uuid.uuid4().hex[:8]}"
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.client("s3").create_bucket(Bucket=name)
    cloud = Cloud(aws, name, _roles(aws) | _secrets(aws, name) | _user_pool(aws, name))
    cloud.store_fixed()
    cloud.fill(0, items)
    return cloud


def _roles(aws: EmbeddedCloud) -> dict[str, str]:
    """A session of a role sees what is in the role's account."""
    account = aws.client("sts").get_caller_identity()["Account"]
    return {
        "UPLOAD_ROLE_ARN": f"arn:aws:iam::{account}:role/headrace-upload",
        TENANT_ROLE: f"arn:aws:iam::{account}:role/headrace-tenant-data",
    }


def _secrets(aws: EmbeddedCloud, name: str) -> dict[str, str]:
    texts = {"CURSOR": "a key for cursors", "AUDIT": entities.CHAIN_KEYS, "MACHINE": "a key"}
    texts["WEBHOOK"] = entities.CHAIN_KEYS
    client = aws.client("secretsmanager")
    arns = {
        f"{kind}_SECRET_ARN": client.create_secret(
            Name=f"{name}-{kind.lower()}", SecretString=text
        )["ARN"]
        for kind, text in texts.items()
    }
    return arns | {"AUDIT_ANCHORS_BUCKET": name}


def _user_pool(aws: EmbeddedCloud, name: str) -> dict[str, str]:
    client = aws.client("cognito-idp")
    pool = client.create_user_pool(PoolName=name)["UserPool"]["Id"]
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    made = client.create_user_pool_client(UserPoolId=pool, ClientName=name, ExplicitAuthFlows=flows)
    return {"USER_POOL_ID": pool, "CLIENT_ID": made["UserPoolClient"]["ClientId"]}
