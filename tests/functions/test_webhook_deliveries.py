"""From an event to a receiver: what is posted, how often, and what is told of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook as StandardWebhook

from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.container import Log, SetClock
from tests.functions.webhooks import Hooks
from tests.receiver import Receiver, receiving


@pytest.fixture
def hooks(call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Hooks:
    return Hooks.create(call, cloud, monkeypatch)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def secret(hooks: Hooks, receiver: Receiver) -> str:
    """Of the webhook `pager`, which has been told nothing yet."""
    return str(hooks.add(receiver.url, events=["ModelVersionRegistered"])["secret"])


def test_event_is_delivered_once_signed_as_the_standard_says(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    hooks.fan_out(hooks.tell())  # EventBridge and SQS deliver at least once
    assert hooks.deliver_all() == 2

    [posted] = receiver.requests
    message = StandardWebhook(secret).verify(posted.body, posted.headers)
    assert message["metadata"]["type"] == "ModelVersionRegistered"
    assert message["metadata"]["tenant_id"] == "acme"
    assert posted.path == "/hook?token=hidden"
    assert posted.headers["content-type"] == "application/json"
    [shown] = hooks.deliveries()
    assert shown["state"] == "Delivered"
    assert shown["event_id"] == message["metadata"]["id"]
    details = hooks.delivery(shown["delivery"])
    assert posted.headers["webhook-id"] == shown["delivery"]
    assert details["payload"] == message
    [attempt] = details["attempts"]
    assert (attempt["status"], attempt["error"]) == (204, None)
    assert hooks.take() == []


def test_webhook_is_told_only_of_what_it_asks_for(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    hooks.create_project("speech")
    hooks.add(receiver.url, "other-project", project="speech")
    hooks.add(receiver.url, "off")
    hooks.ask("PATCH", "/webhooks/off", {"enabled": False})
    hooks.add(receiver.url, "all")
    hooks.tell()
    told = {json.loads(record["body"])["webhook"] for record in hooks.take()}

    assert told == {"pager", "all"}


def test_other_tenants_webhooks_are_told_nothing(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    body = {"name": "theirs", "url": receiver.url}
    assert hooks.ask("POST", "/webhooks", body, tenant="globex").status == 201
    hooks.tell()

    assert {json.loads(r["body"])["tenant_id"] for r in hooks.take()} == {"acme"}
    assert hooks.deliveries("theirs", tenant="globex") == []


def test_failed_attempt_is_repeated_later_with_the_same_id_and_bytes(
    hooks: Hooks, receiver: Receiver, secret: str, later: SetClock
) -> None:
    receiver.answer(500, 302, 204)
    hooks.tell()
    hooks.deliver_all()
    [waiting] = hooks.deliveries()
    assert waiting["state"] == "Retrying"
    assert waiting["next_attempt_at"] is not None
    assert hooks.take() == []  # it is delayed

    for minutes, made in ((1, 1), (5, 2)):
        later(timedelta(minutes=minutes))
        assert hooks.deliver(hooks.notice(waiting, attempt=made)) == []

    [done] = hooks.deliveries()
    details = hooks.delivery(done["delivery"])
    assert done["state"] == "Delivered"
    assert [a["status"] for a in details["attempts"]] == [500, 302, 204]
    assert details["attempts"][0]["excerpt"] == "noted"
    assert details["attempts"][1]["detail"] == "redirects are not followed"
    assert len({r.body for r in receiver.requests}) == 1
    assert {r.headers["webhook-id"] for r in receiver.requests} == {done["delivery"]}
    assert len({r.headers["webhook-timestamp"] for r in receiver.requests}) == 3


def test_notice_that_comes_too_early_waits(hooks: Hooks, receiver: Receiver, secret: str) -> None:
    receiver.answer(500)
    hooks.tell()
    hooks.deliver_all()
    [waiting] = hooks.deliveries()

    early = hooks.notice(waiting, due=waiting["next_attempt_at"])

    assert hooks.deliver(early) == []
    assert len(receiver.requests) == 1


def test_double_of_a_notice_ends_and_one_of_a_crash_is_taken_up(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    receiver.answer(500)
    hooks.tell()
    [record] = hooks.take()
    hooks.deliver(record)
    depth = waiting_messages(hooks)

    hooks.deliver(record)
    assert waiting_messages(hooks) == depth

    hooks.deliver(record, received=2)
    assert waiting_messages(hooks) == depth + 1
    assert len(receiver.requests) == 1


def waiting_messages(hooks: Hooks) -> int:
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    found = hooks.cloud.clients.sqs.get_queue_attributes(
        QueueUrl=hooks.queue, AttributeNames=wanted
    )["Attributes"]
    return sum(int(found[name]) for name in wanted)


def test_gone_target_disables_its_webhook(hooks: Hooks, receiver: Receiver, secret: str) -> None:
    receiver.answer(410)
    hooks.tell()
    hooks.deliver_all()

    [ended] = hooks.deliveries()
    shown = hooks.ask("GET", "/webhooks/pager").json
    assert (ended["state"], ended["reason"]["code"]) == ("Exhausted", "TargetGone")
    assert (shown["enabled"], shown["reason"]["code"]) == (False, "TargetGone")
    told = [e for e in hooks.cloud.stored_events() if e["metadata"]["type"] == "WebhookDisabled"]
    assert [e["data"]["reason"] for e in told] == ["TargetGone"]
    assert hooks.ask("PATCH", "/webhooks/pager", {"enabled": True}).json["reason"] is None


def test_webhook_that_is_enabled_again_is_judged_anew(
    hooks: Hooks, receiver: Receiver, secret: str, later: SetClock
) -> None:
    """After days of failures its first hiccup is no reason to disable it once more."""
    receiver.answer(503)
    hooks.tell()
    hooks.deliver_all()
    key = {"pk": {"S": "TENANT#acme"}, "sk": {"S": "WEBHOOKHEALTH#pager"}}
    hooks.cloud.clients.dynamodb.update_item(
        TableName=hooks.cloud.table,
        Key=key,
        UpdateExpression="SET failures = :many",
        ExpressionAttributeValues={":many": {"N": "30"}},
    )
    later(timedelta(days=4))
    hooks.tell()
    hooks.deliver_all()
    assert hooks.ask("GET", "/webhooks/pager").json["reason"]["code"] == "TargetFailing"

    assert hooks.ask("PATCH", "/webhooks/pager", {"enabled": True}).status == 200
    later(timedelta(days=4, minutes=1))
    hooks.tell()
    hooks.deliver_all()

    assert hooks.ask("GET", "/webhooks/pager").json["enabled"]
    assert hooks.cloud.item("TENANT#acme", "WEBHOOKHEALTH#pager")["failures"] == 1


def test_delivery_ends_as_exhausted_after_a_day(
    hooks: Hooks, receiver: Receiver, secret: str, later: SetClock
) -> None:
    receiver.answer(503)
    hooks.tell()
    hooks.take()
    [waiting] = hooks.deliveries()
    later(timedelta(hours=24))
    hooks.deliver(hooks.notice(waiting))

    [ended] = hooks.deliveries()
    assert (ended["state"], ended["reason"]["code"]) == ("Exhausted", "TimeIsOver")
    assert ended["made"] == 1


@pytest.mark.parametrize("deleted", [False, True])
def test_what_waits_for_a_webhook_that_goes_is_cancelled(
    hooks: Hooks, receiver: Receiver, secret: str, deleted: bool
) -> None:
    hooks.tell()
    if deleted:
        hooks.ask("DELETE", "/webhooks/pager")
        hooks.add(receiver.url)  # another one, which must not get what was meant for the first
    else:
        hooks.ask("PATCH", "/webhooks/pager", {"enabled": False})
    hooks.deliver_all()

    [ended] = hooks.deliveries()
    assert ended["state"] == "Cancelled"
    assert ended["reason"]["code"] == ("WebhookDeleted" if deleted else "WebhookDisabled")
    assert receiver.requests == []


def test_redelivery_is_a_delivery_of_its_own_that_names_the_old_one(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    hooks.tell()
    hooks.deliver_all()
    [first] = hooks.deliveries()
    asked = hooks.redeliver(first, headers={"Idempotency-Key": "again"})
    assert hooks.redeliver(first, headers={"Idempotency-Key": "again"}).json == asked.json
    hooks.announce()
    hooks.deliver_all()

    second, _ = hooks.deliveries()
    assert asked.headers["location"].endswith(second["delivery"])
    assert (second["kind"], second["redelivery_of"]) == ("Redelivery", first["delivery"])
    assert second["state"] == "Delivered"
    assert receiver.requests[0].body == receiver.requests[1].body
    assert receiver.requests[0].headers["webhook-id"] != receiver.requests[1].headers["webhook-id"]


def test_redelivery_needs_an_enabled_webhook_and_what_is_there(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    hooks.tell()
    hooks.deliver_all()
    [first] = hooks.deliveries()
    hooks.ask("PATCH", "/webhooks/pager", {"enabled": False})

    disabled = hooks.redeliver(first)
    missing = hooks.redeliver(first | {"delivery": "d-00000000000000000000"})

    assert (disabled.status, disabled.code) == (409, "conflict")
    assert missing.status == 404


def test_what_was_for_an_earlier_webhook_of_the_name_is_sent_to_no_other(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    hooks.tell()
    hooks.deliver_all()
    [told] = hooks.deliveries()
    earlier = hooks.ask("GET", "/webhooks/pager").json["webhook_id"]
    assert hooks.ask("DELETE", "/webhooks/pager").status == 204
    hooks.create_project("speech")
    own = hooks.add(receiver.url, events=["RolloutEnded"], project="speech")["webhook_id"]

    refused = hooks.redeliver(told)

    assert (refused.status, refused.code) == (409, "conflict")
    assert "earlier webhook" in refused.json["detail"]
    [still_listed] = hooks.deliveries()
    assert still_listed["webhook_id"] == earlier != own


def test_delivery_is_not_sent_again_beside_its_own_attempts(
    hooks: Hooks, receiver: Receiver, secret: str, later: SetClock
) -> None:
    """A receiver would be told twice, under two ids. One whose message was lost is not waited for longer than a day."""
    receiver.answer(500)
    hooks.tell()
    [pending] = hooks.deliveries()
    early = hooks.redeliver(pending)
    hooks.deliver_all()
    [retrying] = hooks.deliveries()
    refused = hooks.redeliver(retrying)

    assert (pending["state"], retrying["state"]) == ("Pending", "Retrying")
    for answer in (early, refused):
        assert (answer.status, answer.code) == (409, "conflict")
        assert "still being tried" in answer.json["detail"]
    assert len(hooks.deliveries()) == 1
    later(timedelta(hours=25))
    assert hooks.redeliver(retrying).status == 201


def test_test_sends_one_signed_ping_also_to_a_disabled_webhook(
    hooks: Hooks, receiver: Receiver
) -> None:
    secret = hooks.add(receiver.url)["secret"]
    hooks.ask("PATCH", "/webhooks/pager", {"enabled": False})
    receiver.answer(500)
    asked = hooks.ask("POST", "/webhooks/pager/test")
    hooks.announce()
    hooks.deliver_all()

    [posted] = receiver.requests
    assert StandardWebhook(secret).verify(posted.body, posted.headers)["metadata"]["type"] == "Ping"
    ended = hooks.delivery(asked.json["delivery"])
    assert (ended["state"], ended["reason"]["code"]) == ("Exhausted", "TestFailed")
    assert hooks.ask("GET", "/webhooks/pager").json["reason"] is None


def test_both_secrets_sign_while_the_grace_time_runs(
    hooks: Hooks, receiver: Receiver, secret: str, later: SetClock
) -> None:
    hooks.tell()
    new = hooks.ask("POST", "/webhooks/pager/rotate-secret").json["secret"]
    hooks.deliver_all()
    [posted] = receiver.requests
    for each in (secret, new):
        assert StandardWebhook(each).verify(posted.body, posted.headers)

    later(timedelta(hours=25))
    hooks.tell()
    hooks.deliver_all()
    signatures = receiver.requests[-1].headers["webhook-signature"].split()
    assert len(signatures) == 1


def test_failing_target_is_left_alone_and_tried_by_one(
    hooks: Hooks, receiver: Receiver, secret: str, later: SetClock
) -> None:
    """However much waits for it: a dead target costs one attempt a pause."""
    receiver.answer(500)
    for _ in range(8):
        hooks.tell()
    hooks.deliver_all()
    assert len(receiver.requests) == 3

    waiting = [shown for shown in hooks.deliveries() if shown["made"] == 0]
    assert len(waiting) == 5
    later(timedelta(minutes=2))
    for shown in waiting:
        hooks.deliver(hooks.notice(shown))
    assert len(receiver.requests) == 4

    receiver.answer(204)
    later(timedelta(minutes=30))
    for shown in hooks.deliveries():
        hooks.deliver(hooks.notice(shown))
    assert {shown["state"] for shown in hooks.deliveries()} == {"Delivered"}


def test_rate_of_a_webhook_is_kept(
    hooks: Hooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setattr("controlplane.webhooks.health.ATTEMPTS_A_MINUTE", 2)
    for _ in range(4):
        hooks.tell()
    hooks.deliver_all()

    # A minute may have begun meanwhile.
    assert 2 <= len(receiver.requests) < 4
    assert waiting_messages(hooks) == 4 - len(receiver.requests)


def test_log_holds_neither_query_nor_secret_nor_payload(
    hooks: Hooks, receiver: Receiver, secret: str, log: Log
) -> None:
    receiver.answer(500)
    hooks.tell()
    hooks.deliver_all()

    assert "delivery_id" in log.text
    for hidden in ("token=hidden", secret.removeprefix("whsec_"), "specversion", "noted"):
        assert hidden not in log.text


def test_deliveries_are_listed_by_pages_the_latest_first(
    hooks: Hooks, receiver: Receiver, secret: str
) -> None:
    for _ in range(3):
        hooks.tell()
    first = hooks.ask("GET", "/webhooks/pager/deliveries?limit=2", role="viewer").json
    rest = hooks.ask(
        "GET", f"/webhooks/pager/deliveries?limit=2&cursor={first['next']}", role="viewer"
    ).json

    listed = [shown["delivery"] for shown in (*first["items"], *rest["items"])]
    assert len(listed) == 3
    assert listed == sorted(listed, reverse=True)
    assert rest["next"] is None
    assert "payload" not in first["items"][0]


def test_message_comes_again_when_the_table_does_not_answer(
    hooks: Hooks, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks.tell()
    [record] = hooks.take()
    from controlplane.errors import UnavailableError  # noqa: PLC0415
    from controlplane.runtime.wiring.webhooks import delivery_log  # noqa: PLC0415

    def fail(*_: Any) -> Any:
        raise UnavailableError("the table did not answer")

    with monkeypatch.context() as patched:
        patched.setattr(type(delivery_log()), "situation", fail)
        assert hooks.deliver(record) == [{"itemIdentifier": record["messageId"]}]
    assert hooks.deliver(record) == []
    assert len(receiver.requests) == 1
