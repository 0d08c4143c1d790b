"""A project in which a test works as its tenant's developer does: through the API and S3."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import boto3
import requests
from botocore.config import Config

from tests.stack.caller import Answer, Caller, Json
from tests.stack.cluster import ROUTES, SERVICES
from tests.stack.running import RunningStack
from tests.waiting import eventually

ENDED_UPLOADS = ("Registered", "Rejected", "Failed", "Cancelled", "Expired")
ONE_FILE = "model.joblib"


def manifest_of(files: Mapping[str, bytes], model_format: str = "sklearn", **changes: Any) -> Json:
    """What the files' manifest says; `changes` replace fields of its first file."""
    described = [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in files.items()
    ]
    described[0] |= changes
    return {"format": model_format, "files": described}


@dataclass(frozen=True)
class Inbox:
    """One model's prefix of the bucket, with the temporary credentials that the API hands out."""

    client: Any
    bucket: str
    prefix: str

    def key(self, tail: str) -> str:
        return self.prefix + tail

    def put(self, tail: str, content: bytes, **options: Any) -> str:
        """Upload an object; its version."""
        answer = self.client.put_object(
            Bucket=self.bucket, Key=self.key(tail), Body=content, **options
        )
        return str(answer["VersionId"])

    def put_manifest(self, folder: str, manifest: Json | bytes) -> str:
        content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        return self.put(f"uploads/{folder}/manifest.json", content)


@dataclass(frozen=True)
class Project:
    """One project of one tenant."""

    stack: RunningStack
    tenant: str
    name: str

    @property
    def caller(self) -> Caller:
        return self.stack.caller(self.tenant)

    @property
    def namespace(self) -> str:
        return f"tenant-{self.tenant}"

    def path(self, tail: str = "") -> str:
        return f"/projects/{self.name}{tail}"

    def inbox(self, model: str) -> Inbox:
        issued = self.caller.post(self.path(f"/models/{model}/credentials"))
        client = boto3.client(
            "s3",
            endpoint_url=self.stack.settings.endpoint,
            region_name=self.stack.described["region"],
            aws_access_key_id=issued["access_key_id"],
            aws_secret_access_key=issued["secret_access_key"],
            aws_session_token=issued["session_token"],
            config=Config(proxies={}, s3={"addressing_style": "path"}),
        )
        return Inbox(client, issued["bucket"], issued["prefix"])

    def open_upload(self, model: str, manifest: Json) -> Json:
        return self.caller.post(self.path(f"/models/{model}/uploads"), manifest)

    def upload(self, model: str, files: Mapping[str, bytes], model_format: str = "sklearn") -> str:
        """Upload files with the presigned requests, the manifest last; the upload's identifier."""
        ticket = self.open_upload(model, manifest_of(files, model_format))
        for put in ticket["files"]:
            assert send(put, files[put["path"]]) == HTTPStatus.OK
        assert send(ticket["manifest"], ticket["manifest"]["content"].encode()) == HTTPStatus.OK
        return str(ticket["upload"]["upload"])

    def publish(self, model: str, content: bytes) -> int:
        """Upload one model file and wait until it is a version; its number."""
        ended = self.ended_upload(model, self.upload(model, {ONE_FILE: content}))
        assert ended["state"] == "Registered", ended
        return int(ended["version"])

    def find_upload(self, model: str, upload: str) -> Json | None:
        return self.caller.find(self.path(f"/models/{model}/uploads/{upload}"))

    def ended_upload(self, model: str, upload: str) -> Json:
        """The upload when it has ended, well or not."""

        def look() -> Json | None:
            found = self.find_upload(model, upload)
            return found if found and found["state"] in ENDED_UPLOADS else None

        return eventually(look, f"upload {upload} to end")

    def wait_for_upload_state(self, model: str, upload: str, state: str) -> None:
        def look() -> bool:
            found = self.find_upload(model, upload)
            return found is not None and found["state"] == state

        eventually(look, f"upload {upload} to be {state}")

    def uploads(self, model: str) -> list[Json]:
        return list(self.caller.get(self.path(f"/models/{model}/uploads"))["items"])

    def ended_uploads(self, model: str, count: int) -> list[Json]:
        """All uploads of the model when there are so many, and all have ended."""

        def look() -> list[Json] | None:
            found = self.uploads(model)
            ended = [upload for upload in found if upload["state"] in ENDED_UPLOADS]
            return found if len(found) == len(ended) >= count else None

        found = eventually(look, f"{count} ended uploads of {model}")
        assert len(found) == count, found
        return found

    def versions(self, model: str) -> list[int]:
        """The numbers of the registered versions, the newest first; none of a model that is not there."""
        found = self.caller.find(self.path(f"/models/{model}/versions"))
        return [int(item["version"]) for item in found["items"]] if found else []

    def version(self, model: str, number: int) -> Json:
        return self.caller.get(self.path(f"/models/{model}/versions/{number}"))

    def deployment(self, name: str) -> Json | None:
        return self.caller.find(self.path(f"/deployments/{name}"))

    def roll_out(self, deployment: str, version: int) -> Answer:
        return self.caller.call(
            "POST", self.path(f"/deployments/{deployment}/rollouts"), {"version": version}
        )

    def rollout(self, deployment: str, rollout: str) -> Json:
        return self.caller.get(self.path(f"/deployments/{deployment}/rollouts/{rollout}"))

    def ended_rollout(self, deployment: str, rollout: str, seconds: float = 60) -> Json:
        def look() -> Json | None:
            found = self.rollout(deployment, rollout)
            return None if found["state"] in ("Waiting", "Running") else found

        return eventually(look, f"rollout {rollout} to end", seconds)

    def running_rollout(self, deployment: str, version: int) -> str:
        """The identifier of the version's rollout as soon as it runs."""

        def look() -> str | None:
            found = self.deployment(deployment)
            running = found["running"] if found else None
            return running["rollout"] if running and running["version"] == version else None

        return eventually(look, f"the rollout of version {version} to run")

    def settled(self, deployment: str, version: int, seconds: float = 60) -> Json:
        """The deployment when no rollout runs or waits and the last one was of that version."""

        def look() -> Json | None:
            found = self.deployment(deployment)
            if found is None or found["running"] or found["waiting"]:
                return None
            last = found["last_rollout"]
            return found if last and last["version"] == version else None

        return eventually(look, f"the rollout of version {version} to end", seconds)

    def serve(self, model: str, content: bytes) -> Json:
        """Upload a model file and wait until it is served; the deployment."""
        deployment = self.settled(model, self.publish(model, content))
        assert deployment["last_rollout"]["state"] == "Promoted", deployment
        assert deployment["status"] == "Ready"
        return deployment

    def revision_name(self, deployment: str, version: int) -> str:
        return f"{self.name}--{deployment}--v{version}"

    def revision(self, deployment: str, version: int) -> Json | None:
        """The revision's InferenceService."""
        name = self.revision_name(deployment, version)
        return self.stack.cluster.find(SERVICES, self.namespace, name)

    def route(self, deployment: str) -> Json | None:
        """The deployment's HTTPRoute."""
        return self.stack.cluster.find(ROUTES, self.namespace, f"{self.name}--{deployment}")

    def wait_until_gone(self, deployment: str, version: int) -> None:
        eventually(
            lambda: self.revision(deployment, version) is None,
            f"revision {version} of {deployment} to go",
            60,  # it waits for the requests that were sent to it last
        )


def send(put: Json, content: bytes) -> int:
    """Send a presigned request exactly as it was handed out; the HTTP status."""
    response = requests.put(put["url"], data=content, headers=put["headers"], timeout=30)
    return response.status_code
