"""Webhooks on the embedded stack: from what happens in the registry to a receiver that checks the signature."""

from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook as StandardWebhook

from tests.ports import free_port
from tests.receiver import Receiver, receiving
from tests.stack.caller import Caller, Json
from tests.stack.fixtures import NewProject
from tests.stack.project import manifest_of
from tests.stack.running import RunningStack
from tests.waiting import eventually

MANIFEST = manifest_of({"model.joblib": b"a model, as far as the registry cares"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def admin(stack: RunningStack) -> Caller:
    return stack.caller("acme", "tenant-admin")


def deliveries(admin: Caller, name: str) -> list[Json]:
    found: list[Json] = admin.get(f"/webhooks/{name}/deliveries")["items"]
    return found


def states(admin: Caller, name: str) -> list[str]:
    return [delivery["state"] for delivery in deliveries(admin, name)]


def test_receiver_is_told_of_an_upload_and_proves_who_told_it(
    stack: RunningStack, admin: Caller, receiver: Receiver, new_project: NewProject
) -> None:
    project, name = new_project("hooked"), stack.name("hook")
    made = admin.post(
        "/webhooks",
        {
            "name": name,
            "url": receiver.url,
            "events": ["UploadOpened"],
            "project": project.name,
        },
    )
    library = StandardWebhook(made["secret"])

    admin.post(f"/webhooks/{name}/test")
    [ping] = eventually(lambda: list(receiver.requests), "the ping to arrive")
    assert library.verify(ping.body, ping.headers)["metadata"]["type"] == "Ping"

    project.open_upload("digits", MANIFEST)
    eventually(lambda: len(receiver.requests) == 2, "the event to arrive")
    told = receiver.requests[1]
    message = library.verify(told.body, told.headers)
    assert message["metadata"]["type"] == "UploadOpened"
    assert message["data"]["project"] == project.name
    eventually(lambda: states(admin, name) == ["Delivered"] * 2, "both deliveries to be recorded")
    first = deliveries(admin, name)[0]
    assert first["delivery"] == told.headers["webhook-id"]
    again = admin.post(f"/webhooks/{name}/deliveries/{first['delivery']}/redeliver")
    eventually(lambda: len(receiver.requests) == 3, "the redelivery to arrive")
    assert receiver.requests[2].headers["webhook-id"] == again["delivery"]
    assert receiver.requests[2].body == told.body
    assert admin.call("DELETE", f"/webhooks/{name}").status == 204


def test_dead_target_is_tried_again_and_holds_up_nobody(
    stack: RunningStack, admin: Caller, receiver: Receiver, new_project: NewProject
) -> None:
    project, dead, alive = new_project("dead"), stack.name("dead"), stack.name("alive")
    shared = {"events": ["UploadOpened"], "project": project.name}
    url = f"http://127.0.0.1:{free_port()}/nobody"
    admin.post("/webhooks", {"name": dead, "url": url, **shared})
    admin.post("/webhooks", {"name": alive, "url": receiver.url, **shared})

    project.open_upload("digits", MANIFEST)

    eventually(lambda: states(admin, alive) == ["Delivered"], "the living target to be told")
    eventually(lambda: states(admin, dead) == ["Retrying"], "the dead target to be tried")
    [waiting] = deliveries(admin, dead)
    # The target moves; the attempt that is due in some seconds finds it.
    admin.call("PATCH", f"/webhooks/{dead}", {"url": receiver.url})
    eventually(lambda: states(admin, dead) == ["Delivered"], "the second attempt", seconds=60)
    details = admin.get(f"/webhooks/{dead}/deliveries/{waiting['delivery']}")
    assert [attempt["error"] for attempt in details["attempts"]] == ["connection_failed", None]
    for name in (dead, alive):
        assert admin.call("DELETE", f"/webhooks/{name}").status == 204
