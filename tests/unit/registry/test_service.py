"""What callers can do with uploads and versions."""

import json
from datetime import timedelta

import pytest

from controlplane.errors import (
    ConcurrentChangeError,
    ConflictError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.identifiers import now
from controlplane.registry.manifest import Manifest
from controlplane.registry.service import (
    UploadTicket,
    cancel_upload,
    create_upload,
    issue_upload_credentials,
)
from controlplane.registry.upload import Upload, UploadState
from controlplane.registry.views import UploadView
from controlplane.requests import IdempotentRequest
from tests.fakes import Clock
from tests.unit.registry.world import (
    FOLDER,
    MODEL,
    PROJECT,
    TENANT,
    World,
    entry,
    manifest,
)

CONTENT = b"the weights"


def wanted(*sizes: int) -> Manifest:
    files = [entry(f"{n}.pkl", CONTENT, size=size) for n, size in enumerate(sizes)]
    return Manifest.model_validate_json(manifest(*files))


def request(key: str = "key", body: str = "body") -> IdempotentRequest:
    return IdempotentRequest(key, body, now() + timedelta(hours=24))


def open_upload(
    world: World,
    manifest_of_upload: Manifest,
    *,
    project: str = PROJECT,
    model: str = MODEL,
    once: IdempotentRequest | None = None,
) -> UploadTicket:
    return create_upload(
        TENANT,
        project,
        model,
        manifest_of_upload,
        "ada",
        once,
        projects=world.projects,
        uploads=world.uploads,
        authority=world.authority,
    )


def cancel(world: World, upload_id: str, if_match: int | None = None) -> Upload:
    return cancel_upload(TENANT, PROJECT, MODEL, upload_id, if_match, uploads=world.uploads)


def send(world: World, ticket: UploadTicket, content: bytes = CONTENT) -> UploadState | None:
    """What a client does with a ticket: every file, then the manifest."""
    folder = f"uploads/{ticket.upload.upload_id}/"
    for file, _ in ticket.files:
        world.put(folder + file.path, content)
    return world.run(world.put(f"{folder}manifest.json", ticket.manifest_content.encode()))


class TestCreate:
    def test_a_ticket_allows_exactly_the_declared_files_and_their_manifest(
        self, world: World
    ) -> None:
        ticket = open_upload(world, wanted(7, 8))

        upload = ticket.upload
        folder = f"{FOLDER}uploads/{upload.upload_id}/"
        assert sorted(world.authority.presigned) == [
            f"{folder}0.pkl",
            f"{folder}1.pkl",
            f"{folder}manifest.json",
        ]
        assert {deadline for _, deadline in world.authority.presigned.values()} == {
            now() + timedelta(minutes=45)
        }
        signed, _ = world.authority.presigned[f"{folder}manifest.json"]
        assert signed.size == len(ticket.manifest_content.encode())
        assert (upload.state, upload.created_by) == (UploadState.PENDING, "ada")

    def test_the_ticket_sent_as_it_is_becomes_a_version(self, world: World) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))

        assert send(world, ticket) is UploadState.REGISTERED
        view = UploadView.of(world.upload(ticket.upload.upload_id))
        assert (view.version, view.origin) == (1, "api")
        assert json.loads(ticket.manifest_content)["format"] == "sklearn"

    def test_a_version_number_is_shown_only_when_there_is_a_version(self, world: World) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))
        folder = f"uploads/{ticket.upload.upload_id}/"
        world.put(f"{folder}0.pkl", CONTENT)
        world.check(world.put(f"{folder}manifest.json", ticket.manifest_content.encode()))

        copying = world.upload(ticket.upload.upload_id)

        assert copying.model_version == 1
        assert UploadView.of(copying).version is None

    @pytest.mark.parametrize(
        "sizes", [(10_001,), (6_000, 6_000), (1, 1, 1, 1, 1), (5 * 1024**3 + 1,)]
    )
    def test_too_much_is_refused_before_anything_is_sent(
        self, world: World, sizes: tuple[int, ...]
    ) -> None:
        with pytest.raises(LimitExceededError) as refused:
            open_upload(world, wanted(*sizes))

        assert refused.value.remedy
        assert world.table.uploads == {}

    def test_an_unknown_project_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFoundError):
            open_upload(world, wanted(1), project="audio")

    def test_no_model_may_be_called_as_the_folder_of_uploads(self, world: World) -> None:
        with pytest.raises(InvalidRequestError):
            open_upload(world, wanted(1), model="uploads")

    def test_a_repeat_opens_no_second_upload(self, world: World) -> None:
        first = open_upload(world, wanted(1), once=request())
        second = open_upload(world, wanted(1), once=request())

        assert first.upload == second.upload
        assert first.manifest_content == second.manifest_content
        assert len(world.table.uploads) == 1

    def test_a_key_used_for_another_body_is_refused(self, world: World) -> None:
        open_upload(world, wanted(1), once=request())

        with pytest.raises(IdempotencyKeyReusedError):
            open_upload(world, wanted(2), once=request(body="other"))


OTHER_FILE = entry("0.pkl", b"THE WEIGHTS")
CHANGED: dict[str, bytes] = {
    "files": manifest(OTHER_FILE),
    "one file more": manifest(entry("0.pkl", CONTENT), OTHER_FILE | {"path": "1.pkl"}),
    "format": manifest(entry("0.pkl", CONTENT), format="xgboost"),
    "framework": manifest(entry("0.pkl", CONTENT), framework_version="2"),
    "metadata": manifest(entry("0.pkl", CONTENT), metadata={"metrics": {"accuracy": 1.0}}),
    "model": manifest(entry("0.pkl", CONTENT), model=MODEL),
    "signature": manifest(
        entry("0.pkl", CONTENT),
        signature={"payload": "", "payloadType": "x", "signatures": [{"sig": ""}]},
    ),
}


class TestAnnouncement:
    """Whoever opened an upload is known as its uploader, and others can write into its folder."""

    @pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
    def test_another_manifest_than_the_announced_one_is_refused(
        self, world: World, changed: bytes
    ) -> None:
        upload_id = open_upload(world, wanted(len(CONTENT))).upload.upload_id
        folder = f"uploads/{upload_id}/"
        world.put(f"{folder}0.pkl", CONTENT)
        world.put(f"{folder}1.pkl", b"THE WEIGHTS")

        assert world.run(world.put(f"{folder}manifest.json", changed)) is UploadState.REJECTED

        reason = world.upload(upload_id).reason
        assert reason is not None
        assert reason.code == "ManifestNotAnnounced"
        assert reason.remedy
        assert world.versions() == []

    def test_the_announced_one_is_taken_however_it_is_written(self, world: World) -> None:
        metadata = {"metrics": {"loss": None, "accuracy": 0.1 + 0.2}, "tags": {"b": "1", "a": "2"}}
        told = manifest(entry("0.pkl", CONTENT), metadata=metadata, project=PROJECT)
        ticket = open_upload(world, Manifest.model_validate_json(told))
        folder = f"uploads/{ticket.upload.upload_id}/"
        world.put(f"{folder}0.pkl", CONTENT)

        spelt = json.dumps(json.loads(ticket.manifest_content), indent=2, sort_keys=True)
        arrival = world.put(f"{folder}manifest.json", spelt.encode())

        assert world.run(arrival) is UploadState.REGISTERED

    def test_what_was_refused_does_not_stand_in_the_way_of_the_announced_one(
        self, world: World, clock: Clock
    ) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))
        folder = f"uploads/{ticket.upload.upload_id}/"
        world.put(f"{folder}0.pkl", CONTENT)
        world.run(world.put(f"{folder}manifest.json", CHANGED["files"]))
        clock.advance(1)

        assert send(world, ticket) is UploadState.REGISTERED

    def test_an_upload_is_not_opened_with_a_manifest_for_another_model(self, world: World) -> None:
        told = manifest(entry("0.pkl", CONTENT), project=PROJECT, model="fraud")

        with pytest.raises(InvalidRequestError, match="fraud"):
            open_upload(world, Manifest.model_validate_json(told))
        assert world.table.uploads == {}


class TestCancelAndExpiry:
    def test_a_cancelled_upload_is_announced_once(self, world: World) -> None:
        upload_id = open_upload(world, wanted(1)).upload.upload_id

        assert cancel(world, upload_id).state is UploadState.CANCELLED
        assert cancel(world, upload_id).state is UploadState.CANCELLED
        assert [event.state for event in world.ended()] == [UploadState.CANCELLED]

    def test_a_manifest_after_the_cancellation_is_no_version(self, world: World) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))
        cancel(world, ticket.upload.upload_id)

        assert send(world, ticket) is UploadState.CANCELLED
        assert world.versions() == []

    def test_an_upload_that_is_copied_cannot_be_cancelled(self, world: World) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))
        folder = f"uploads/{ticket.upload.upload_id}/"
        world.put(f"{folder}0.pkl", CONTENT)
        world.check(world.put(f"{folder}manifest.json", ticket.manifest_content.encode()))

        with pytest.raises(ConflictError):
            cancel(world, ticket.upload.upload_id)

    def test_a_cancellation_that_meets_the_manifest_loses(self, world: World) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))
        sent: list[UploadState | None] = []
        world.table.interrupt = lambda: sent.append(send(world, ticket))

        with pytest.raises(ConcurrentChangeError):
            cancel(world, ticket.upload.upload_id)
        assert sent == [UploadState.REGISTERED]

    def test_another_state_than_the_callers_is_not_cancelled(self, world: World) -> None:
        upload = open_upload(world, wanted(1)).upload

        with pytest.raises(PreconditionFailedError):
            cancel(world, upload.upload_id, upload.version + 1)
        assert cancel(world, upload.upload_id, upload.version).state is UploadState.CANCELLED

    def test_an_unknown_upload_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFoundError):
            cancel(world, "u-1")

    def test_an_upload_that_nobody_completes_expires(self, world: World, clock: Clock) -> None:
        upload_id = open_upload(world, wanted(1)).upload.upload_id
        clock.advance(2700)
        assert world.upload(upload_id).state is UploadState.PENDING
        clock.advance(1)

        assert world.upload(upload_id).state is UploadState.EXPIRED
        with pytest.raises(ConflictError):
            cancel(world, upload_id)

    def test_a_manifest_after_the_deadline_is_no_version(self, world: World, clock: Clock) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))
        clock.advance(2701)

        assert send(world, ticket) is UploadState.EXPIRED
        assert world.versions() == []

    def test_a_manifest_in_time_whose_event_comes_late_is_a_version(
        self, world: World, clock: Clock
    ) -> None:
        ticket = open_upload(world, wanted(len(CONTENT)))
        folder = f"uploads/{ticket.upload.upload_id}/"
        world.put(f"{folder}0.pkl", CONTENT)
        arrival = world.put(f"{folder}manifest.json", ticket.manifest_content.encode())
        clock.advance(7200)

        assert world.run(arrival) is UploadState.REGISTERED


def test_credentials_are_for_one_model_of_the_callers_tenant(world: World) -> None:
    issued = issue_upload_credentials(
        TENANT, PROJECT, MODEL, "ada", projects=world.projects, authority=world.authority
    )

    assert issued.prefix == "models/acme/vision/digits/"
    tags = {"tenant": TENANT, "project": PROJECT, "model": MODEL}
    assert world.authority.sessions == [(issued.prefix, "ada", tags, 3600)]


@pytest.mark.parametrize(
    ("tenant", "project", "model", "refused"),
    [
        (TENANT, "audio", MODEL, NotFoundError),
        ("globex", PROJECT, MODEL, NotFoundError),
        (TENANT, PROJECT, "uploads", InvalidRequestError),
    ],
)
def test_no_credentials_for_what_is_not_the_callers(
    world: World, tenant: str, project: str, model: str, refused: type[Exception]
) -> None:
    with pytest.raises(refused):
        issue_upload_credentials(
            tenant, project, model, "ada", projects=world.projects, authority=world.authority
        )
    assert world.authority.sessions == []
