"""The steps from a checked upload to a version, repeated, interrupted and overtaken."""

from hashlib import sha256

import pytest

from controlplane.errors import ConcurrentChangeError, UnavailableError
from controlplane.registry.model import digest_of
from controlplane.registry.upload import UploadState
from tests.fakes import Clock
from tests.unit.registry.world import PROJECT, REGISTRY, TENANT, World, entry, manifest

CONTENT = b"the weights"


def done(_: object) -> None:
    """What an interruption came to is seen in the world."""


def test_a_version_says_what_lies_in_the_registry(world: World) -> None:
    for path in ("model.pkl", "config/labels.txt"):
        world.put(f"uploads/june/{path}", path.encode())
    files = [entry(path, path.encode()) for path in ("model.pkl", "config/labels.txt")]
    arrival = world.put("uploads/june/manifest.json", manifest(*files, framework_version="1.9.1"))

    world.run(arrival)

    (version,) = world.versions()
    assert version.uri == "s3://models-bucket/registry/tenant-acme/vision/digits/1"
    assert {file.path: file.sha256 for file in version.files} == {
        str(file["path"]): file["sha256"] for file in files
    }
    assert version.size == len("model.pkl") + len("config/labels.txt")
    assert version.digest == digest_of(version.files)
    assert (version.format, version.framework_version) == ("sklearn", "1.9.1")
    assert version.source.upload_id == "june"
    assert world.artifacts.keys_below(REGISTRY) == [
        f"{REGISTRY}1/config/labels.txt",
        f"{REGISTRY}1/model.pkl",
    ]


def test_a_registered_version_is_announced_and_counted(world: World) -> None:
    world.run(world.put("model.joblib"))

    (event,), (version,) = world.registered(), world.versions()
    assert (event.model_version, event.uri, event.digest) == (1, version.uri, version.digest)
    assert event.position == version.position
    assert event.subject == "projects/vision/models/digits"
    assert world.table.projects[TENANT, PROJECT].model_versions == 1
    model = world.models.get(TENANT, PROJECT, "digits")
    assert (model.latest_version, model.versions, model.allotted) == (1, 1, 1)


def test_the_same_execution_may_repeat_every_step(world: World) -> None:
    arrival = world.put("model.joblib")
    world.check(arrival)
    checked = world.check(arrival)
    world.copy(checked)
    copies = world.copy(checked)

    assert world.register(arrival, checked, copies) is UploadState.REGISTERED
    assert world.register(arrival, checked, copies) is UploadState.REGISTERED
    assert [version.number for version in world.versions()] == [1]
    assert len(world.registered()) == 1
    assert world.models.get(TENANT, PROJECT, "digits").allotted == 1


def test_another_execution_cannot_register_what_it_did_not_check(world: World) -> None:
    arrival = world.put("model.joblib")
    checked = world.check(arrival)
    copies = world.copy(checked)

    assert world.register(world.again(arrival), checked, copies) is UploadState.COPYING
    assert world.versions() == []


def test_two_executions_that_check_at_the_same_time_allot_one_number(world: World) -> None:
    arrival = world.put("model.joblib")
    rival = world.again(arrival)
    world.table.interrupt = lambda: done(world.check(rival))

    with pytest.raises(ConcurrentChangeError):
        world.check(arrival)

    assert world.models.find(TENANT, PROJECT, "digits") is not None
    assert world.only_upload().execution == rival.execution
    assert world.check(arrival).state is None


def test_two_uploads_of_one_model_at_the_same_time_get_two_numbers(world: World) -> None:
    first, second = world.put("a.joblib"), world.put("b.joblib")
    world.table.interrupt = lambda: done(world.run(second))

    with pytest.raises(ConcurrentChangeError):
        world.check(first)
    assert world.run(first) is UploadState.REGISTERED
    assert [version.number for version in world.versions()] == [1, 2]


def test_a_version_that_is_counted_meanwhile_does_not_lose_its_count(world: World) -> None:
    first, second = world.put("a.joblib"), world.put("b.joblib")
    checked = world.check(first)
    copies = world.copy(checked)
    world.table.interrupt = lambda: done(world.run(second))

    with pytest.raises(ConcurrentChangeError):
        world.register(first, checked, copies)
    assert world.register(first, checked, copies) is UploadState.REGISTERED
    assert world.models.get(TENANT, PROJECT, "digits").versions == 2


def test_a_digest_that_only_the_copy_shows_to_be_wrong_leaves_no_copy(
    world: World, clock: Clock
) -> None:
    """S3 computes no SHA-256 for some uploads; the copy's own tells."""
    world.artifacts.put(
        "models/acme/vision/digits/uploads/june/model.pkl",
        CONTENT,
        checksum=False,
        modified_at=clock.now(),
    )
    lie = manifest(entry("model.pkl", CONTENT, sha256=sha256(b"other").hexdigest()))
    arrival = world.put("uploads/june/manifest.json", lie)

    assert world.run(arrival) is UploadState.REJECTED

    reason = world.upload("june").reason
    assert reason is not None
    assert reason.code == "DigestMismatch"
    assert sha256(CONTENT).hexdigest() in reason.message
    assert world.artifacts.keys_below("registry/") == []
    assert (world.versions(), world.registered()) == ([], [])
    assert [event.state for event in world.ended()] == [UploadState.REJECTED]


def test_a_project_that_is_deleted_while_files_are_copied_gets_no_version(world: World) -> None:
    arrival = world.put("model.joblib")
    checked = world.check(arrival)
    copies = world.copy(checked)
    del world.table.projects[TENANT, PROJECT]

    assert world.register(arrival, checked, copies) is UploadState.REJECTED

    reason = world.only_upload().reason
    assert reason is not None
    assert reason.code == "UnknownProject"
    assert world.artifacts.keys_below("registry/") == []
    assert world.versions() == []


def test_a_file_that_is_deleted_while_it_is_copied_can_be_tried_again(world: World) -> None:
    arrival = world.put("model.joblib")
    checked = world.check(arrival)
    world.artifacts.purge(arrival.key)

    with pytest.raises(ConcurrentChangeError):
        world.copy(checked)


def test_an_unreachable_bucket_is_no_fault_of_the_upload(world: World) -> None:
    arrival = world.put("model.joblib")
    world.artifacts.unavailable = 1

    with pytest.raises(UnavailableError):
        world.check(arrival)
    assert world.table.uploads == {}
    assert world.run(arrival) is UploadState.REGISTERED


class TestFailure:
    """An execution that cannot finish records it; the same event may bring the upload to its end after all."""

    def test_a_failure_is_recorded_with_its_remedy_and_removes_the_copies(
        self, world: World
    ) -> None:
        arrival = world.put("model.joblib")
        world.copy(world.check(arrival))

        world.fail(arrival, "UnavailableError")

        upload = world.only_upload()
        assert upload.state is UploadState.FAILED
        assert upload.reason is not None
        assert upload.reason.code == "RegistrationFailed"
        assert "UnavailableError" in upload.reason.message
        assert "again" in (upload.reason.remedy or "")
        assert world.artifacts.keys_below("registry/") == []
        assert [event.state for event in world.ended()] == [UploadState.FAILED]

    def test_a_failure_before_the_first_check_is_recorded_too(self, world: World) -> None:
        arrival = world.put("model.joblib")

        world.fail(arrival)

        assert world.only_upload().state is UploadState.FAILED

    def test_a_failure_is_told_once(self, world: World) -> None:
        """Step Functions announces the execution that recorded its failure itself as failed."""
        arrival = world.put("model.joblib")
        world.check(arrival)
        world.fail(arrival, "UnavailableError")

        world.fail(arrival, "its execution FAILED")

        assert len(world.ended()) == 1
        reason = world.only_upload().reason
        assert reason is not None
        assert "UnavailableError" in reason.message

    def test_the_event_delivered_again_registers_a_failed_upload(self, world: World) -> None:
        arrival = world.put("model.joblib")
        world.copy(world.check(arrival))
        world.fail(arrival)

        assert world.run(world.again(arrival)) is UploadState.REGISTERED
        assert world.only_upload().reason is None

    def test_a_dead_executions_late_copy_lands_beside_the_version_that_was_registered(
        self, world: World
    ) -> None:
        arrival = world.put("model.joblib")
        checked = world.check(arrival)
        world.fail(arrival)
        world.run(world.again(arrival))

        world.copy(checked)

        (version,) = world.versions()
        assert checked.reference is not None
        assert version.number != checked.reference.model_version

    def test_a_late_report_of_a_failure_does_not_undo_a_registration(self, world: World) -> None:
        arrival = world.put("model.joblib")
        world.run(arrival)

        world.fail(arrival, "its execution TIMED_OUT")

        assert world.only_upload().state is UploadState.REGISTERED
        assert world.artifacts.keys_below("registry/") != []
        assert world.ended() == []

    def test_a_late_report_does_not_stop_the_execution_that_took_over(self, world: World) -> None:
        arrival = world.put("model.joblib")
        world.check(arrival)
        world.fail(arrival)
        second = world.again(arrival)
        checked = world.check(second)
        copies = world.copy(checked)

        world.fail(arrival, "its execution FAILED")

        assert world.register(second, checked, copies) is UploadState.REGISTERED

    @pytest.mark.parametrize("key", ["models/acme/vision/digits", "elsewhere/model.joblib"])
    def test_a_failure_over_an_object_that_is_no_model_is_kept(
        self, world: World, key: str
    ) -> None:
        world.fail(world.put_key(key))

        (rejected,) = world.table.rejected.values()
        assert rejected.reason.code == "BadKey"

    def test_a_failure_over_an_object_that_is_gone_is_kept(self, world: World) -> None:
        arrival = world.put("model.joblib")
        world.artifacts.purge(arrival.key)

        world.fail(arrival)

        (rejected,) = world.table.rejected.values()
        assert rejected.reason.code == "RegistrationFailed"

    def test_a_new_upload_after_a_failure_gets_a_number_of_its_own(
        self, world: World, clock: Clock
    ) -> None:
        failed = world.put("model.joblib")
        world.check(failed)
        world.fail(failed)
        clock.advance(1)

        world.run(world.put("model.joblib"))
        world.run(world.again(failed))

        assert [version.number for version in world.versions()] == [2, 3]


def test_a_model_whose_versions_are_gone_begins_anew_but_for_its_numbers(
    world: World, clock: Clock
) -> None:
    world.run(world.put("model.joblib"))
    place = (TENANT, PROJECT, "digits")
    before = world.table.models[place]
    gone = {"versions": 0, "tags": {"team": "vision"}}
    world.table.models[place] = before.model_copy(update=gone)
    world.table.versions.clear()
    clock.advance(60)

    world.run(world.put("model.joblib", b"another"))

    made = world.models.get(*place)
    assert (made.allotted, made.latest_version, made.versions, made.tags) == (2, 2, 1, {})
    assert made.created_at > before.created_at
