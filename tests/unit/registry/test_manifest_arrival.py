"""Manifests in a folder that nobody announced: each source is one version, however they follow each other."""

from controlplane.registry.upload import UploadState
from tests.fakes import Clock
from tests.unit.registry.world import (
    FOLDER,
    TENANT,
    World,
    entry,
    manifest,
)

CONTENT = b"the weights"


class TestManifestInAFolder:
    """A folder that nobody announced: its manifest makes it an upload."""

    def test_a_repeated_manifest_is_no_further_version(self, world: World) -> None:
        world.put("uploads/june/model.pkl", CONTENT)
        arrival = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))
        world.run(arrival)

        assert world.run(world.again(arrival)) is UploadState.REGISTERED
        assert len(world.versions()) == 1
        assert world.only_upload().upload_id == "june"

    def test_a_corrected_manifest_takes_the_upload_up_again(
        self, world: World, clock: Clock
    ) -> None:
        bad = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))
        assert world.run(bad) is UploadState.REJECTED
        clock.advance(1)
        world.put("uploads/june/model.pkl", CONTENT)
        good = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))

        assert world.run(good) is UploadState.REGISTERED
        upload = world.only_upload()
        assert (upload.upload_id, upload.reason) == ("june", None)

    def test_a_manifest_after_a_registered_one_is_a_further_upload(
        self, world: World, clock: Clock
    ) -> None:
        world.put("uploads/june/model.pkl", CONTENT)
        first = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))
        world.run(first)
        clock.advance(1)
        world.put("uploads/june/model.pkl", b"other weights")
        second = world.put(
            "uploads/june/manifest.json", manifest(entry("model.pkl", b"other weights"))
        )

        assert world.run(second) is UploadState.REGISTERED
        assert world.run(world.again(second)) is UploadState.REGISTERED
        assert [version.number for version in world.versions()] == [1, 2]
        assert len(world.table.uploads) == 2

    def test_an_older_manifest_that_comes_late_is_registered_too(
        self, world: World, clock: Clock
    ) -> None:
        world.put("uploads/june/model.pkl", CONTENT)
        older = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))
        clock.advance(1)
        newer = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))

        assert world.run(newer) is UploadState.REGISTERED
        assert world.run(older) is UploadState.REGISTERED
        first, second = world.versions()
        assert first.position > second.position

    def test_an_older_manifest_does_not_reopen_what_a_newer_one_closed(
        self, world: World, clock: Clock
    ) -> None:
        world.put("uploads/june/model.pkl", CONTENT)
        older = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))
        clock.advance(1)
        newer = world.put("uploads/june/manifest.json", manifest(entry("absent.pkl", CONTENT)))
        world.run(newer)

        world.run(older)

        assert world.upload("june").state is UploadState.REJECTED
        assert len(world.versions()) == 1

    def test_a_source_that_was_registered_apart_is_not_registered_in_the_folder_too(
        self, world: World, clock: Clock
    ) -> None:
        """The folder's own upload fails after a second manifest has become a further upload."""
        world.put("uploads/june/model.pkl", CONTENT)
        first = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))
        world.check(first)
        clock.advance(1)
        second = world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT)))
        world.run(second)
        world.fail(first)

        assert world.run(world.again(second)) is UploadState.REGISTERED
        assert len(world.registered()) == 1

    def test_a_file_of_the_folder_outside_the_manifest_is_not_registered(
        self, world: World
    ) -> None:
        world.put("uploads/june/model.pkl", CONTENT)
        world.put("uploads/june/notes.txt", b"private")
        world.run(world.put("uploads/june/manifest.json", manifest(entry("model.pkl", CONTENT))))

        assert world.artifacts.keys_below("registry/") == [
            "registry/tenant-acme/vision/digits/1/model.pkl"
        ]

    def test_the_files_of_another_model_cannot_be_listed(self, world: World) -> None:
        other = FOLDER.replace("digits", "faces")
        world.put_key(f"{other}model.pkl", CONTENT)

        world.run(
            world.put("uploads/june/manifest.json", manifest(entry("faces/model.pkl", CONTENT)))
        )

        reason = world.only_upload().reason
        assert reason is not None
        assert reason.code == "MissingFile"
        assert (TENANT, "vision", "faces") not in world.table.models
