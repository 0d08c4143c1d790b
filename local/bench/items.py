"""A table with as many tenants, projects, models and versions as wanted, and the settings of functions on it."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http.client import OK, HTTPConnection
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from boto3.dynamodb.types import TypeSerializer
from pydantic import BaseModel

from controlplane.adapters.dynamodb_deployments import deployment_key, rollout_key
from controlplane.adapters.dynamodb_items import as_item
from controlplane.adapters.dynamodb_models import model_key, version_key
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_table import Key, tenant_partition
from controlplane.adapters.dynamodb_tenants import tenant_key
from controlplane.adapters.dynamodb_uploads import upload_key
from controlplane.projects.model import Project
from controlplane.reasons import Reason
from controlplane.registry.manifest import ManifestFile
from controlplane.registry.model import Model, ModelVersion, VersionSource
from controlplane.registry.upload import RejectedUpload, Upload, UploadOrigin, UploadState
from controlplane.serving.model import Deployment, Revision, Rollout, RolloutState
from controlplane.tenancy.model import Tenant
from local.bench.errors import BenchError
from local.deploy.clients import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, EmbeddedCloud

TENANT, PROJECT, MODEL, DEPLOYMENT = "acme", "vision", "digits", "digits"
# What lookups ask for. It is none of the numbered items, which requests may delete.
VERSION, UPLOAD, ROLLOUT = 1, "u-0", "r-00000000"
RARE = 10
_BATCH = 25  # BatchWriteItem's own bound
_RARER = {"upload", "deployment", "rejected"}
_HEADERS = {
    "X-Amz-Target": "DynamoDB_20120810.BatchWriteItem",
    "Content-Type": "application/x-amz-json-1.0",
    # For embedded clouds alone, which look at the scope and check no signature.
    "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0",
}
_MOMENT = datetime.now(UTC)
_FILE = ManifestFile(path="model.joblib", size=1_000_000, sha256="5e" * 32)


@dataclass(frozen=True)
class Cloud:
    """A table of our own, and a secret for cursors, at an AWS endpoint.

    A session of a role sees what is in the role's account.
    """

    aws: EmbeddedCloud
    table: str
    secret: str
    account: str

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
            "UPLOAD_ROLE_ARN": f"arn:aws:iam::{self.account}:role/headrace-upload",
            "TENANT_ROLE_ARN": f"arn:aws:iam::{self.account}:role/headrace-tenant-data",
            "CURSOR_SECRET_ARN": self.secret,
            "INGRESS_URL": "http://127.0.0.1:8080",
        }

    def fill(self, first: int, end: int) -> None:
        """Add the numbered items from `first` up to `end`: each number has one of every kind.

        From RARE on only every tenth number has all kinds, the others those that a platform has most of.
        """
        with closing(HTTPConnection(urlsplit(self.aws.endpoint).netloc, timeout=60)) as connection:
            items = (item for number in range(first, end) for item in _numbered(number))
            while batch := list(islice(items, _BATCH)):
                self._store(connection, batch)

    def remove(self) -> None:
        """Delete the table, so that nobody saves what it holds."""
        self.aws.client("dynamodb").delete_table(TableName=self.table)

    def _store(self, connection: HTTPConnection, batch: list[dict[str, Any]]) -> None:
        """BatchWriteItem by hand: a client would spend six times as long on serialising."""
        puts = [{"PutRequest": {"Item": item}} for item in batch]
        connection.request("POST", "/", json.dumps({"RequestItems": {self.table: puts}}), _HEADERS)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != OK or json.loads(content).get("UnprocessedItems"):
            raise BenchError(f"the items could not be stored: {content[:500]!r}")


def create_cloud(endpoint: str, items: int) -> Cloud:
    """A new table with the fixed items, and so many numbered ones of each kind."""
    aws = EmbeddedCloud(endpoint)
    name = f"headrace-bench-{uuid.uuid4().hex[:8]}"
    client = aws.client("dynamodb")
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    made = aws.client("secretsmanager").create_secret(Name=name, SecretString="a key for cursors")
    for item in _fixed():
        client.put_item(TableName=name, Item=item)
    account = aws.client("sts").get_caller_identity()["Account"]
    cloud = Cloud(aws, name, str(made["ARN"]), str(account))
    cloud.fill(0, items)
    return cloud


def numbered_project(number: int) -> str:
    return f"p{number:06d}"


def numbered_deployment(number: int) -> str:
    return f"d{number:06d}"


def numbered_upload(number: int) -> str:
    return f"u-1{number:06d}"


def numbered_version(number: int) -> int:
    return VERSION + 1 + number


def _fixed() -> Iterator[dict[str, Any]]:
    yield _item(tenant_key(TENANT), Tenant(tenant_id=TENANT))
    # Enough versions that no deletion makes the project or the model look empty.
    yield _item(project_key(TENANT, PROJECT), _project(PROJECT, versions=1_000_000))
    model = Model(name=MODEL, created_at=_MOMENT, allotted=1_000_000, versions=1_000_000)
    yield _item(model_key(TENANT, PROJECT, MODEL), model)
    yield _item(version_key(TENANT, PROJECT, MODEL, VERSION), _version(VERSION))
    yield _item(upload_key(TENANT, PROJECT, MODEL, UPLOAD), _upload(UPLOAD))
    yield _item(deployment_key(TENANT, PROJECT, DEPLOYMENT), _deployment(DEPLOYMENT))
    rollout = Rollout(
        rollout_id=ROLLOUT,
        deployment=DEPLOYMENT,
        model_version=VERSION,
        state=RolloutState.PROMOTED,
        requested_by="bench",
        requested_at=_MOMENT,
    )
    yield _item(rollout_key(TENANT, PROJECT, DEPLOYMENT, ROLLOUT), rollout)


def _numbered(number: int) -> Iterator[dict[str, Any]]:
    """One item of each kind. Serialising each anew would take longer than storing it."""
    patterns = _patterns()
    tenant, project, deployment = f"t{number:06d}", numbered_project(number), f"d{number:06d}"
    model, upload, version = f"m{number:06d}", numbered_upload(number), numbered_version(number)
    named = {
        "tenant": (tenant_key(tenant), {"tenant_id": {"S": tenant}}),
        "project": (project_key(TENANT, project), {"name": {"S": project}}),
        "model": (model_key(TENANT, PROJECT, model), {"name": {"S": model}}),
        "version": (version_key(TENANT, PROJECT, MODEL, version), {"number": {"N": str(version)}}),
        "upload": (upload_key(TENANT, PROJECT, MODEL, upload), {"upload_id": {"S": upload}}),
        "deployment": (deployment_key(TENANT, PROJECT, deployment), {"name": {"S": deployment}}),
        "rejected": (Key(tenant_partition(TENANT), f"REJECTED#2026#{number:016x}"), {}),
    }
    for kind, (key, changed) in named.items():
        if kind in _RARER and number >= RARE and number % 10:
            continue
        yield patterns[kind] | {"pk": {"S": key.pk}, "sk": {"S": key.sk}} | changed


@cache
def _patterns() -> dict[str, dict[str, Any]]:
    nowhere = Key("", "")
    rejected = RejectedUpload(
        key=f"models/{TENANT}/nowhere/{MODEL}/model.joblib",
        version_id="v",
        arrived_at=_MOMENT,
        reason=Reason(code="UnknownProject", message="there is no project nowhere"),
    )
    return {
        "tenant": _item(nowhere, Tenant(tenant_id="t")),
        "project": _item(nowhere, _project("p")),
        "model": _item(nowhere, Model(name="m", created_at=_MOMENT, versions=1)),
        "version": _item(nowhere, _version(VERSION)),
        "upload": _item(nowhere, _upload(UPLOAD)),
        "deployment": _item(nowhere, _deployment("d")),
        "rejected": _item(nowhere, rejected),
    }


def _project(name: str, versions: int = 0) -> Project:
    return Project(name=name, created_at=_MOMENT, created_by="bench", model_versions=versions)


def _version(number: int) -> ModelVersion:
    key = f"models/{TENANT}/{PROJECT}/{MODEL}/model.joblib"
    return ModelVersion(
        model=MODEL,
        number=number,
        uri=f"s3://headrace-bench/registry/tenant-{TENANT}/{PROJECT}/{MODEL}/{number}",
        format="sklearn",
        files=(_FILE,),
        size=_FILE.size,
        digest=_FILE.sha256,
        source=VersionSource(key=key, version_id="v", upload_id=UPLOAD),
        position="2026-01-01T00:00:00Z#0",
        registered_at=_MOMENT,
    )


def _upload(upload_id: str) -> Upload:
    return Upload(
        upload_id=upload_id,
        model=MODEL,
        origin=UploadOrigin.API,
        state=UploadState.PENDING,
        format="sklearn",
        files=(_FILE,),
        created_at=_MOMENT,
        created_by="bench",
        deadline=_MOMENT + timedelta(hours=1),
    )


def _deployment(name: str) -> Deployment:
    stable = Revision(model_version=VERSION, name=f"{PROJECT}--{name}--v1", since=_MOMENT)
    return Deployment(name=name, model=MODEL, created_at=_MOMENT, stable=stable, version=1)


def _item(key: Key, entity: BaseModel) -> dict[str, Any]:
    item = as_item(key, entity)
    if isinstance(entity, ModelVersion):
        del item["served_by"]  # a set, which is not there while it is empty
    plain = json.loads(json.dumps(item))
    return {name: TypeSerializer().serialize(value) for name, value in plain.items()}
