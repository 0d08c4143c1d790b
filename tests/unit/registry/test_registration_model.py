"""Any order, repetition, delay and interruption of S3's events, against what must come of it.

The promise: every sound source object version becomes exactly one version, numbers are never given twice, what is
unsound is recorded where a person can read it, and what was rejected or failed does not stand in the way of later
uploads. An upload that was opened over the API becomes what it was opened for. A project that is deleted and made
again takes over nothing that was begun in the one before.
"""

from collections import Counter
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from controlplane.errors import ConflictError
from controlplane.identifiers import now
from controlplane.registry.arrival import Arrival
from controlplane.registry.manifest import Manifest
from controlplane.registry.service import cancel_upload, create_upload
from controlplane.registry.upload import UploadState
from tests.fakes import MemoryInventory, MemoryUse, clock_stopped
from tests.unit.registry.world import (
    FOLDER,
    MODEL,
    PROJECT,
    TENANT,
    Execution,
    World,
    entry,
    manifest,
)

WEIGHTS = b"weights"
# The second where the project is found to be another one only by the write itself.
REPLACED = ("ProjectReplaced", "UnknownProject")
PICK = st.integers(0, 30)
FAULTS = (
    entry("missing.bin", WEIGHTS),
    entry("weights.pkl", WEIGHTS, size=1),
    entry("weights.pkl", WEIGHTS, sha256="0" * 64),
    entry("unsigned.pkl", WEIGHTS, sha256="0" * 64),  # found out only by its copy
    entry("../escape", WEIGHTS),
)


@dataclass
class Source:
    """An object version that S3 announced. `upload` is set for manifests of an API upload."""

    arrival: Arrival
    sound: bool
    upload: str | None = None


class RegistryModel(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self._stopped = clock_stopped()
        self.clock = self._stopped.__enter__()
        self.world = World()
        self.sources: list[Source] = []
        self.executions: list[Execution] = []
        self.dead: list[Execution] = []
        self.opened: list[str] = []
        self.cancelled: set[str] = set()

    @rule(sound=st.booleans())
    def put_file(self, sound: bool) -> None:
        self.clock.advance(1)
        self.sources.append(Source(self.world.put("m.joblib" if sound else "m.txt"), sound))

    @rule(folder=st.sampled_from("ab"), fault=st.none() | st.sampled_from(FAULTS))
    def put_folder(self, folder: str, fault: dict[str, object] | None) -> None:
        self._put_manifest(folder, fault)

    @precondition(lambda self: len(self.opened) < 2)
    @rule()
    def open_upload(self) -> None:
        content = manifest(entry("weights.pkl", WEIGHTS))
        ticket = create_upload(
            TENANT,
            PROJECT,
            MODEL,
            Manifest.model_validate_json(content),
            "ada",
            None,
            projects=self.world.projects,
            uploads=self.world.uploads,
            authority=self.world.authority,
        )
        self.opened.append(ticket.upload.upload_id)

    @precondition(lambda self: self.opened)
    @rule(which=PICK, fault=st.none() | st.sampled_from(FAULTS))
    def complete_upload(self, which: int, fault: dict[str, object] | None) -> None:
        upload = self.opened[which % len(self.opened)]
        self._put_manifest(upload, fault, upload)

    @precondition(lambda self: self.opened)
    @rule(which=PICK)
    def meddle(self, which: int) -> None:
        """Somebody else puts a file and a manifest of their own, sound in itself, into an upload's folder."""
        upload = self.opened[which % len(self.opened)]
        self.clock.advance(1)
        key = f"{FOLDER}uploads/{upload}/others.pkl"
        self.world.artifacts.put(key, b"others", modified_at=self.clock.now())
        told = manifest(entry("others.pkl", b"others"))
        arrival = self.world.put(f"uploads/{upload}/manifest.json", told)
        self.sources.append(Source(arrival, False, upload))

    @precondition(lambda self: self.opened)
    @rule(which=PICK)
    def cancel(self, which: int) -> None:
        upload = self.opened[which % len(self.opened)]
        try:
            cancel_upload(TENANT, PROJECT, MODEL, upload, None, uploads=self.world.uploads)
        except ConflictError:
            return
        self.cancelled.add(upload)

    @precondition(lambda self: self.sources)
    @rule(which=PICK)
    def deliver(self, which: int) -> None:
        source = self.sources[-1 - which % len(self.sources)]
        self.executions.append(Execution(self.world, self.world.again(source.arrival)))

    @precondition(lambda self: self._alive())
    @rule(which=PICK, steps=st.integers(1, 4))
    def step(self, which: int, steps: int) -> None:
        for _ in range(steps):
            self._pick(which).step()
            if not self._alive():
                return

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def lose_answer(self, which: int) -> None:
        self._pick(which).repeat()

    @precondition(lambda self: len(self._alive()) > 1)
    @rule(which=PICK)
    def race(self, which: int) -> None:
        """Another execution does its step between this one's read and its write."""
        first, second = self._pick(which), self._pick(which + 1)
        self.world.table.interrupt = second.step
        first.step()
        self.world.table.interrupt = None

    @rule()
    def make_project_again(self) -> None:
        """Where nothing was registered: a project with versions cannot be deleted."""
        place = (TENANT, PROJECT)
        held = self.world.table.projects[place]
        if not held.model_versions:
            self.clock.advance(1)
            again = held.model_copy(update={"created_at": now(), "version": 1})
            self.world.table.projects[place] = again

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def make_project_again_meanwhile(self, which: int) -> None:
        self.world.table.interrupt = self.make_project_again
        self._pick(which).step()
        self.world.table.interrupt = None

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def exhaust(self, which: int) -> None:
        self._pick(which).break_off("UnavailableError")

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def abort(self, which: int) -> None:
        """The execution dies without a word; Step Functions' own event about it comes some time."""
        execution = self._pick(which)
        self.executions.remove(execution)
        self.dead.append(execution)

    @precondition(lambda self: self.dead)
    @rule(which=PICK)
    def report_dead(self, which: int) -> None:
        execution = self.dead[which % len(self.dead)]
        self.world.fail(execution.arrival, "its execution ABORTED")

    @invariant()
    def numbers_and_sources_are_unique(self) -> None:
        if not hasattr(self, "world"):
            return
        numbers = Counter(event.model_version for event in self.world.registered())
        origins = Counter((v.source.key, v.source.version_id) for v in self.world.versions())
        assert set(numbers.values()) <= {1}
        assert set(origins.values()) <= {1}

    @invariant()
    def versions_belong_to_the_project_that_is_there(self) -> None:
        if not hasattr(self, "world"):
            return
        created_at = self.world.table.projects[TENANT, PROJECT].created_at
        for version in self.world.versions():
            upload = self.world.upload(version.source.upload_id)
            assert upload.project_created_at == created_at

    @invariant()
    def what_is_counted_is_what_there_is(self) -> None:
        if not hasattr(self, "world"):
            return
        counted = MemoryUse(self.world.table).get(TENANT).use
        there = MemoryInventory(self.world.table).count(TENANT)
        assert (counted.models, counted.stored_bytes) == (there.models, there.stored_bytes)

    @invariant()
    def versions_keep_their_files(self) -> None:
        if not hasattr(self, "world"):
            return
        for version in self.world.versions():
            for file in version.files:
                key = version.uri.removeprefix("s3://models-bucket/") + f"/{file.path}"
                stored = self.world.artifacts.find_object(key)
                assert stored is not None
                assert stored.sha256 == file.sha256

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self._settle()
                self._check_outcome()
        finally:
            self._stopped.__exit__(None, None, None)

    def _settle(self) -> None:
        """In the end every execution ends and every event is delivered once more."""
        for execution in self.dead:
            self.world.fail(execution.arrival, "its execution ABORTED")
        for execution in self.executions:
            execution.run()
        for source in self.sources:
            Execution(self.world, self.world.again(source.arrival)).run()

    def _check_outcome(self) -> None:
        self.numbers_and_sources_are_unique()
        self.versions_keep_their_files()
        states = {upload.state for upload in self.world.table.uploads.values()}
        assert UploadState.COPYING not in states
        made_of = {version.source.version_id for version in self.world.versions()}
        refused = {
            upload.source.version_id
            for upload in self.world.table.upload_history
            if upload.state is UploadState.REJECTED and upload.source and upload.reason
        }
        left = self._left_behind()
        for source in self.sources:
            version_id = source.arrival.version_id
            if version_id in left:
                assert version_id in refused  # a repeat may still bring it into the present project
            elif source.upload is None:
                assert (version_id in made_of) is source.sound
                assert (version_id in refused) is not source.sound
        for upload in self.opened:
            self._check_api_upload(upload, made_of)
        on_disk = {key.split("/")[4] for key in self.world.artifacts.keys_below("registry/")}
        assert on_disk == {str(version.number) for version in self.world.versions()}

    def _left_behind(self) -> set[str]:
        """The object versions that came to nothing because their project was deleted."""
        return {
            upload.source.version_id
            for upload in self.world.table.upload_history
            if upload.source and upload.reason and upload.reason.code in REPLACED
        }

    def _check_api_upload(self, upload: str, made_of: set[str]) -> None:
        """An upload through the API becomes one version, whichever of its manifests it is made of."""
        own = [source for source in self.sources if source.upload == upload]
        sound = {source.arrival.version_id for source in own if source.sound}
        assert made_of.isdisjoint({source.arrival.version_id for source in own} - sound)
        versions = len(sound & made_of)
        if upload in self.cancelled or not sound:
            assert versions == 0
        elif {source.arrival.version_id for source in own} & self._left_behind():
            assert versions <= 1
        else:
            assert versions == 1 or (versions == 0 and not own[-1].sound)

    def _put_manifest(
        self, folder: str, fault: dict[str, object] | None, upload: str | None = None
    ) -> None:
        self.clock.advance(1)
        for name in ("weights.pkl", "unsigned.pkl"):
            key = f"{FOLDER}uploads/{folder}/{name}"
            if key not in self.world.artifacts.objects:
                self.world.artifacts.put(
                    key, WEIGHTS, checksum=name == "weights.pkl", modified_at=self.clock.now()
                )
        files = [entry("weights.pkl", WEIGHTS)] if fault is None else [fault]
        arrival = self.world.put(f"uploads/{folder}/manifest.json", manifest(*files))
        self.sources.append(Source(arrival, fault is None, upload))

    def _alive(self) -> list[Execution]:
        return [execution for execution in self.executions if not execution.is_over]

    def _pick(self, which: int) -> Execution:
        alive = self._alive()
        return alive[which % len(alive)]


RegistryModel.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestRegistryModel = RegistryModel.TestCase
