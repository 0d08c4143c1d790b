"""A tenant with a project and a bucket, and the state machine `VersionRegistration` step by step."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256

from controlplane.errors import ConcurrentChangeError, HeadraceError, UnavailableError
from controlplane.identifiers import now
from controlplane.limits import Limits
from controlplane.projects.model import Project
from controlplane.registry.arrival import Arrival, FileToCopy
from controlplane.registry.failure import fail_upload
from controlplane.registry.model import ModelVersion, ModelVersionRegistered, UploadEnded
from controlplane.registry.registration import (
    CheckedUpload,
    CopiedFile,
    check_upload,
    copy_file,
    register_version,
)
from controlplane.registry.scanning import scan_file
from controlplane.registry.upload import Upload, UploadState
from tests.fakes import (
    MemoryArtifacts,
    MemoryModels,
    MemoryProjectDirectory,
    MemoryScanner,
    MemorySigningKeys,
    MemoryTable,
    MemoryUploadAuthority,
    MemoryUploads,
    MemoryVerifier,
)

TENANT, PROJECT, MODEL = "acme", "vision", "digits"
FOLDER = f"models/{TENANT}/{PROJECT}/{MODEL}/"
REGISTRY = f"registry/tenant-{TENANT}/{PROJECT}/{MODEL}/"
LIMITS = Limits(max_model_bytes=10_000, max_upload_files=4)

File = dict[str, object]


def entry(path: str, content: bytes, **lies: object) -> File:
    """One file of a manifest, as it is or with lies."""
    truth: File = {
        "path": path,
        "size": len(content),
        "sha256": sha256(content).hexdigest(),
    }
    return truth | lies


def manifest(*files: File, **more: object) -> bytes:
    return json.dumps({"format": "sklearn", "files": list(files)} | more).encode()


@dataclass
class World:
    """One project of one tenant, its bucket, and the events that S3 sent."""

    table: MemoryTable = field(default_factory=MemoryTable)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    authority: MemoryUploadAuthority = field(default_factory=MemoryUploadAuthority)
    sent: int = 0
    executions: int = 0

    def __post_init__(self) -> None:
        self.table.tenants[TENANT] = LIMITS
        project = Project(name=PROJECT, created_at=now(), created_by="ada")
        self.table.projects[TENANT, PROJECT] = project
        self.projects = MemoryProjectDirectory(self.table)
        self.models = MemoryModels(self.table)
        self.uploads = MemoryUploads(self.table)
        self.scanner = MemoryScanner()
        self.signing_keys = MemorySigningKeys(self.table)
        self.verifier = MemoryVerifier()

    def put(
        self, path: str, content: bytes = b"a model", *, size: int | None = None, ago: float = 0
    ) -> Arrival:
        """An object arrives in the model's inbox; the event that S3 sends of it."""
        return self.put_key(FOLDER + path, content, size=size, ago=ago)

    def put_key(
        self, key: str, content: bytes = b"a model", *, size: int | None = None, ago: float = 0
    ) -> Arrival:
        self.sent += 1
        moment = now() - timedelta(seconds=ago)
        version_id = self.artifacts.put(key, content, size=size, modified_at=moment)
        return Arrival(key, version_id, f"{self.sent:06X}", moment, self.next_execution())

    def next_execution(self) -> str:
        self.executions += 1
        return f"execution-{self.executions}"

    def again(self, arrival: Arrival) -> Arrival:
        """The same event, delivered again: another execution."""
        return replace(arrival, execution=self.next_execution())

    def check(self, arrival: Arrival) -> CheckedUpload:
        return check_upload(
            arrival,
            projects=self.projects,
            models=self.models,
            uploads=self.uploads,
            artifacts=self.artifacts,
            signing_keys=self.signing_keys,
            verifier=self.verifier,
        )

    def copy(self, checked: CheckedUpload) -> list[CopiedFile]:
        return [self.copy_one(checked, file) for file in checked.files]

    def copy_one(self, checked: CheckedUpload, file: FileToCopy) -> CopiedFile:
        """Copy a checked file and look into it if need be, as the state machine does with each."""
        assert checked.reference is not None
        copied = copy_file(checked.reference, file, artifacts=self.artifacts)
        if copied.scan_as is None:
            return copied
        found = scan_file(checked.reference, copied, artifacts=self.artifacts, scanner=self.scanner)
        return replace(copied, scan=found)

    def register(
        self, arrival: Arrival, checked: CheckedUpload, copies: list[CopiedFile]
    ) -> UploadState:
        assert checked.reference is not None
        return register_version(
            checked.reference,
            copies,
            arrival.execution,
            projects=self.projects,
            models=self.models,
            uploads=self.uploads,
            artifacts=self.artifacts,
        )

    def fail(self, arrival: Arrival, error: str = "UnavailableError") -> None:
        fail_upload(arrival, error, uploads=self.uploads, artifacts=self.artifacts)

    def run(self, arrival: Arrival) -> UploadState | None:
        """A whole execution that meets no obstacle; the state it ends in."""
        checked = self.check(arrival)
        if checked.state is not UploadState.COPYING:
            return checked.state
        return self.register(arrival, checked, self.copy(checked))

    def upload(self, upload_id: str) -> Upload:
        return self.uploads.get(TENANT, PROJECT, MODEL, upload_id)

    def only_upload(self) -> Upload:
        (upload,) = self.table.uploads.values()
        return upload

    def versions(self) -> list[ModelVersion]:
        return [self.table.versions[place] for place in sorted(self.table.versions)]

    def registered(self) -> list[ModelVersionRegistered]:
        return [e for e in self.table.events if isinstance(e, ModelVersionRegistered)]

    def ended(self) -> list[UploadEnded]:
        return [e for e in self.table.events if isinstance(e, UploadEnded)]


class Execution:
    """One execution of `VersionRegistration`, task by task, with its retries and its catch."""

    def __init__(self, world: World, arrival: Arrival) -> None:
        self.world, self.arrival = world, arrival
        self._checked = CheckedUpload(None)
        self._copies: list[CopiedFile] = []
        self._next: Callable[[], None] | None = self._check
        self.error = ""
        self.failed = False

    @property
    def is_over(self) -> bool:
        return self._next is None

    def step(self) -> None:
        """Carry the next task out; what the state machine retries is tried again by the next step."""
        task = self._next
        if task is None:
            return
        try:
            task()
        except (ConcurrentChangeError, UnavailableError):
            self._next = task
        except HeadraceError as failed:
            self.break_off(type(failed).__name__)

    def repeat(self) -> None:
        """Carry the next task out, but lose its answer: the state machine will do it again."""
        before = (self._next, self._checked, list(self._copies))
        self.step()
        if not self.failed:
            self._next, self._checked, self._copies = before

    def break_off(self, error: str) -> None:
        """The retries of a task are exhausted: the state machine's catch takes over."""
        if not self.is_over and not self.failed:
            self.error, self._next, self.failed = error, self._fail, True

    def run(self) -> None:
        while not self.is_over:
            self.step()

    def _check(self) -> None:
        self._checked = self.world.check(self.arrival)
        sound = self._checked.state is UploadState.COPYING
        self._next = self._copy if sound else None

    def _copy(self) -> None:
        file = self._checked.files[len(self._copies)]
        self._copies.append(self.world.copy_one(self._checked, file))
        if len(self._copies) == len(self._checked.files):
            self._next = self._register

    def _register(self) -> None:
        self.world.register(self.arrival, self._checked, self._copies)
        self._next = None

    def _fail(self) -> None:
        self.world.fail(self.arrival, self.error)
        self._next = None
