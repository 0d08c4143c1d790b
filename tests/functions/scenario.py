"""What tenants do, step by step: projects, uploads with their bytes, registrations, rollouts up to promotion."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.runtime.wiring.tables import use_platform
from controlplane.serving.model import RolloutState
from controlplane.serving.progress import Progress
from controlplane.serving.rollout import Ending, end_rollout, read_owned
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json, object_created, on_the_bus

MODEL_BYTES = b"a model, as far as the registry cares"
FILES = {"model.joblib": MODEL_BYTES, "labels/names.txt": b"zero one two"}


def manifest_of(files: Mapping[str, bytes], model_format: str = "sklearn") -> Json:
    return {
        "format": model_format,
        "files": [
            {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in files.items()
        ],
    }


def send(put: Json, content: bytes) -> int:
    """Send a presigned request as a client does; the HTTP status."""
    request = urllib.request.Request(  # noqa: S310 - the URL is moto's
        put["url"], data=content, method="PUT", headers=put["headers"]
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the URL is moto's
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


@dataclass
class Scenario:
    """One tenant's doings in its project `vision`."""

    api: Api
    cloud: Cloud
    tenant: str = "acme"
    project: str = "vision"
    arrivals: int = field(default=0)

    @property
    def path(self) -> str:
        return f"/projects/{self.project}"

    @property
    def partition(self) -> str:
        return f"TENANT#{self.tenant}#PROJECT#{self.project}"

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self.api(method, path, body, tenant=self.tenant, **options)

    def create_project(self) -> None:
        assert self.call("POST", "/projects", {"name": self.project}).status == 201

    def open_upload(
        self, files: Mapping[str, bytes] = FILES, model: str = "digits", **options: Any
    ) -> Json:
        """The ticket of a new upload."""
        opened = self.call(
            "POST", f"{self.path}/models/{model}/uploads", manifest_of(files), **options
        )
        assert opened.status == 201, opened.body
        ticket: Json = opened.json
        return ticket

    def send_all(self, ticket: Json, files: Mapping[str, bytes] = FILES) -> str:
        """Send the files and the manifest; the manifest's key."""
        for put in ticket["files"]:
            assert send(put, files[put["path"]]) == 200
        assert send(ticket["manifest"], ticket["manifest"]["content"].encode()) == 200
        upload = ticket["upload"]
        folder = f"models/{self.tenant}/{self.project}/{upload['model']}"
        return f"{folder}/uploads/{upload['upload']}/manifest.json"

    def put_object(self, key: str, content: bytes) -> str:
        """Put an object without asking anybody, as `aws s3 cp` does; its version."""
        stored = self.cloud.s3.put_object(
            Bucket=self.cloud.bucket,
            Key=key,
            Body=content,
            ContentType="application/octet-stream",
            ChecksumAlgorithm="SHA256",
        )
        return str(stored["VersionId"])

    def arrival(self, key: str, version_id: str | None = None, execution: str = "") -> Json:
        """The input of the registration's first task for an object that has just arrived."""
        self.arrivals += 1
        event = object_created(key, version_id, self.arrivals)
        return {"event": event, "execution": execution or f"registration-{self.arrivals}"}

    def register(self, arrival: Json) -> Json:
        """Run the tasks of VersionRegistration in their order; the last one's output."""
        checked: Json = invoke("registry/check_upload", arrival)
        if checked["state"] != "Copying":
            return checked
        carried = {name: checked[name] for name in ("correlation_id", "reference")}
        copies = [self.copy(carried, file) for file in checked["files"]]
        given = carried | {"copies": copies, "execution": arrival["execution"]}
        registered: Json = invoke("registry/register_version", given)
        return registered

    def copy(self, carried: Json, file: Json) -> Json:
        """Copy a checked file and look into it if need be, as the state machine does with each."""
        copied: Json = invoke("registry/copy_file", carried | {"file": file})
        if copied["scan_as"] is None:
            return copied
        scanned: Json = invoke("registry/scan_file", carried | {"copied": copied})
        return scanned

    def upload_version(self, model: str = "digits", content: bytes = MODEL_BYTES) -> int:
        """A plain file becomes a version; its number."""
        key = f"models/{self.tenant}/{self.project}/{model}/model.joblib"
        registered = self.register(self.arrival(key, self.put_object(key, content)))
        assert registered["state"] == "Registered"
        return int(registered["model_version"])

    def upload_with(
        self, metadata: Json, model: str = "digits", content: bytes = MODEL_BYTES, **options: Any
    ) -> int:
        """A version of an upload whose manifest tells more of it; its number."""
        files = {"model.joblib": content}
        wanted = manifest_of(files) | {"metadata": metadata}
        opened = self.call("POST", f"{self.path}/models/{model}/uploads", wanted, **options)
        assert opened.status == 201, opened.body
        key = self.send_all(opened.json, files)
        registered = self.register(self.arrival(key))
        assert registered["state"] == "Registered", registered
        return int(registered["model_version"])

    def hold(self, number: int, deployment: str = "digits", model: str = "digits") -> None:
        """Mark a version as held by a deployment, as serving's writes do."""
        key = {"pk": {"S": self.partition}, "sk": {"S": f"VERSION#{model}#{number:08d}"}}
        self.cloud.clients.dynamodb.update_item(
            TableName=self.cloud.table,
            Key=key,
            UpdateExpression="ADD served_by :deployment, version :one",
            ExpressionAttributeValues={":deployment": {"SS": [deployment]}, ":one": {"N": "1"}},
        )

    def registered_event(self, number: int, model: str = "digits") -> Json:
        """The event that announces a registered version."""
        stored = self.cloud.item(self.partition, f"VERSION#{model}#{number:08d}")["event"]
        return on_the_bus(stored)

    def open_rollout(self, event: Json, execution: str) -> Json:
        opened: Json = invoke("serving/open_rollout", {"event": event, "execution": execution})
        return opened

    def serve(self, number: int, model: str = "digits") -> Json:
        """Promote a version, as if the cluster had made it ready; the rollout's task input."""
        opened = self.open_rollout(self.registered_event(number, model), f"rollout-{number}")
        assert opened["action"] == "RollOut"
        rollout: Json = opened["rollout"]
        promote(rollout)
        return rollout


def promote(rollout: Json) -> None:
    """Record that a rollout was promoted, as its last tick does; no cluster is asked."""
    use_platform()
    deployments = deployment_repository()
    owned = read_owned(RolloutInput.model_validate(rollout).reference, deployments)
    ending = Ending(RolloutState.PROMOTED, None, grace=timedelta(seconds=300))
    end_rollout(owned, ending, Progress(served=True), (), deployments=deployments)
