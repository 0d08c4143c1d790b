"""What changes is recorded, once and in order; what is done to the records afterwards is found out."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.container import Log, forget_wiring
from tests.functions.samples import Json
from tests.functions.scenario import Scenario
from tests.functions.trail import Trail

ADMIN: dict[str, Any] = {"role": "tenant-admin"}
PLATFORM_ADMIN: dict[str, Any] = {"tenant": None, "role": "platform-admin", "subject": "root"}


@pytest.fixture
def trail(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Trail:
    return Trail.create(cloud, monkeypatch)


@pytest.fixture
def recorded(trail: Trail, call: Api, acme: Scenario) -> Trail:
    """Ten projects of acme, the chain of which is recorded: eleven records with `vision`'s."""
    for number in range(10):
        assert call("POST", "/projects", {"name": f"p{number}"}).status == 201
    trail.run()
    return trail


def listed(call: Api, query: str = "", **token: Any) -> list[Json]:
    answer = call("GET", f"/audit?{query}", **(ADMIN | token))
    assert answer.status == 200, answer.body
    items: list[Json] = answer.json["items"]
    return items


def verified(call: Api, limit: int = 4, **token: Any) -> Json:
    """The last answer of a verification, page by page."""
    answers: list[Json] = []
    cursor = ""
    while not answers or cursor:
        found = call("GET", f"/audit/verification?limit={limit}{cursor}", **(ADMIN | token))
        assert found.status == 200, found.body
        answers.append(found.json)
        cursor = f"&cursor={found.json['next']}" if found.json["next"] else ""
    assert all(answer["intact"] for answer in answers[:-1])
    last: Json = answers[-1]
    return last | {"pages": len(answers)}


def test_change_is_recorded_with_its_actor_and_digests(
    call: Api, cloud: Cloud, trail: Trail, log: Log
) -> None:
    call("POST", "/projects", {"name": "vision"}, headers={"X-Correlation-Id": "corr"})
    call("DELETE", "/projects/vision")
    trail.run()

    created, deleted = trail.chain()

    assert (created["sequence"], deleted["sequence"]) == (1, 2)
    assert (created["action"], deleted["action"]) == ("ProjectCreated", "ProjectDeleted")
    assert created["actor"] == "user:sub-acme-developer"
    assert created["resource"] == "projects/vision"
    assert created["correlation_id"] == "corr"
    assert "before" not in created
    assert deleted["before"] == created["after"] != deleted["after"]
    assert deleted["previous_hash"] == created["hash"]
    assert cloud.item("TENANT#acme#AUDIT", "HEAD")["hash"] == deleted["hash"]
    assert not trail.chain("TENANT#globex#AUDIT")
    [told] = [line for line in log.lines if line["message"] == "recorded"]
    assert told["hash"] == deleted["hash"]


def test_chains_of_tenants_are_their_own(call: Api, trail: Trail) -> None:
    for number in range(6):
        for tenant in ("acme", "globex"):
            call("POST", "/projects", {"name": f"{tenant}{number}"}, tenant=tenant)
    trail.run()

    for tenant in ("acme", "globex"):
        chain = trail.chain(f"TENANT#{tenant}#AUDIT")
        assert [r["resource"] for r in chain] == [f"projects/{tenant}{n}" for n in range(6)]
        assert [record["sequence"] for record in chain] == list(range(1, 7))
        found = verified(call, tenant=tenant)
        assert (found["intact"], found["verified_to"]) == (True, 6)


def test_records_of_the_audit_itself_are_no_changes(recorded: Trail) -> None:
    before = recorded.chain()
    recorded.run()  # the stream holds what the recorder wrote

    assert recorded.chain() == before


def test_batch_that_comes_again_from_the_stream_adds_nothing(
    recorded: Trail, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the queue has forgotten: after five minutes it takes the same message again."""
    before = recorded.chain()
    again = Trail.create(cloud, monkeypatch)
    again.run()

    assert again.chain() == before


def test_repeat_among_new_changes_adds_the_new_ones(
    recorded: Trail, call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("POST", "/projects", {"name": "late"})
    again = Trail.create(cloud, monkeypatch)
    again.run()

    assert [record["resource"] for record in again.chain()][10:] == ["projects/p9", "projects/late"]
    assert verified(call)["intact"]


def test_queue_that_refuses_a_change_gets_it_and_all_later_ones_again(
    call: Api, trail: Trail, wire: Wire
) -> None:
    for number in range(3):
        call("POST", "/projects", {"name": f"p{number}"})
    refused = {"Id": "1", "SenderFault": False, "Code": "InternalError"}
    taken = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}
    answer = {"Successful": [taken], "Failed": [refused]}
    wire.before = lambda made: (200, answer) if made.service == "sqs" else None

    failures = trail.forward()
    wire.before = None

    assert len(failures) == 1
    trail.seen = 0
    trail.run()
    assert [record["resource"] for record in trail.chain()] == [f"projects/p{n}" for n in range(3)]


def test_table_that_does_not_answer_gives_all_messages_of_the_group_back(
    call: Api, trail: Trail, wire: Wire
) -> None:
    for number in range(3):
        call("POST", "/projects", {"name": f"p{number}"})
    call("POST", "/projects", {"name": "theirs"}, tenant="globex")
    assert trail.forward() == []

    def refuse_acme(made: Call) -> tuple[int, Json] | None:
        is_append = made.action == "TransactWriteItems" and "TENANT#acme#AUDIT" in str(made.body)
        error = {"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"}
        return (400, error | {"message": "no [TransactionConflict]"}) if is_append else None

    wire.before = refuse_acme
    failed = trail.record()
    wire.before = None

    assert len(failed) == 3
    assert len(trail.chain("TENANT#globex#AUDIT")) == 1
    assert trail.record() == []
    assert [record["resource"] for record in trail.chain()] == [f"projects/p{n}" for n in range(3)]


def test_poison_leaves_a_mark_in_the_chain_and_lies_among_the_dead_letters(
    call: Api, recorded: Trail, cloud: Cloud
) -> None:
    cloud.clients.sqs.send_message(
        QueueUrl=recorded.queue,
        MessageBody="poison",
        MessageGroupId="acme",
        MessageDeduplicationId="poison",
    )
    call("POST", "/projects", {"name": "after"})
    recorded.run()

    mark, after = recorded.chain()[-2:]
    assert mark["action"] == "ChangeUnreadable"
    assert after["resource"] == "projects/after"
    assert mark["resource"] in {record["resource"] for record in listed(call)}
    assert recorded.letters() == ["poison"]
    assert verified(call)["intact"]


def test_anchors_are_kept_and_a_chain_goes_on_without_them(
    call: Api, recorded: Trail, cloud: Cloud, wire: Wire, log: Log
) -> None:
    anchors = cloud.s3.list_objects_v2(Bucket=cloud.audit_anchors)["Contents"]
    last = recorded.chain()[-1]
    assert anchors[-1]["Key"] == f"acme/000000000011-{last['hash']}"

    call("POST", "/projects", {"name": "after"})
    assert recorded.forward() == []
    wire.before = lambda made: (503, {}) if made.service == "s3" else None
    assert recorded.record() == []
    wire.before = None

    assert len(recorded.chain()) == 12
    assert [line["anchored"] for line in log.lines if "anchored" in line][-1] is False
    assert verified(call)["intact"]


def test_what_a_change_costs_off_the_request_path(call: Api, trail: Trail, wire: Wire) -> None:
    """Ten changes of a tenant: one request to the queue; to record them two reads, two writes, two anchors."""
    for number in range(10):
        call("POST", "/projects", {"name": f"p{number}"})
    with wire.recording() as forwarding:
        trail.forward()
    batch = trail.waiting()
    assert len(batch) == 10
    with wire.recording() as recording:
        invoke("auditing/record_changes", {"Records": batch})

    assert [made.name for made in forwarding] == ["sqs:SendMessageBatch"]
    names = [made.name for made in recording if made.service != "secretsmanager"]
    assert [name for name in names if not name.startswith("s3")] == [
        "BatchGetItem",
        "TransactWriteItems",
    ] * 2
    assert len(names) == 6


def test_lists_find_records_by_actor_resource_and_time_the_latest_first(
    call: Api, recorded: Trail, acme: Scenario
) -> None:
    acme.upload_version()
    call("DELETE", "/projects/p3", subject="somebody")
    recorded.run()
    every = listed(call)
    moments = [datetime.fromisoformat(record["time"]) for record in every]

    assert moments == sorted(moments, reverse=True)
    assert {record["sequence"] for record in every} == set(range(1, len(every) + 1))
    assert all(record["intact"] for record in every)
    assert [r["action"] for r in listed(call, "actor=user:somebody")] == ["ProjectDeleted"]
    assert {r["actor"] for r in listed(call, "actor=system")} == {"system"}
    assert [r["action"] for r in listed(call, "resource=projects/p3")] == [
        "ProjectDeleted",
        "ProjectCreated",
    ]
    below = [r["resource"] for r in listed(call, "resource=projects/vision/")]
    assert "projects/vision" in below
    assert any(resource.startswith("projects/vision/models/digits") for resource in below)
    assert all(resource.startswith("projects/vision") for resource in below)
    assert listed(call, "resource=projects/vis") == []
    assert [r["resource"] for r in listed(call, "actor=user:somebody&resource=projects")] == [
        "projects/p3"
    ]
    third, until = moments[2], every[2]["time"]
    assert [r["sequence"] for r in listed(call, f"until={until}")] == [
        r["sequence"] for r, moment in zip(every, moments, strict=True) if moment < third
    ]
    assert [r["sequence"] for r in listed(call, f"since={until}")] == [
        r["sequence"] for r, moment in zip(every, moments, strict=True) if moment >= third
    ]
    assert listed(call, f"since={_plus(until, 3600)}") == []


def _plus(moment: str, seconds: int) -> str:
    later = datetime.fromisoformat(moment) + timedelta(seconds=seconds)
    return later.isoformat().replace("+00:00", "Z")


def test_each_page_of_a_list_is_one_query(call: Api, recorded: Trail, wire: Wire) -> None:
    listed(call, "limit=1")  # the container knows its keys from here on
    found: list[int] = []
    cursor = ""
    while not found or cursor:
        with wire.recording() as made:
            page = call("GET", f"/audit?resource=projects&limit=4{cursor}", **ADMIN).json
        assert [c.name for c in made] == ["Query"]
        found += [record["sequence"] for record in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else ""

    assert found == list(range(11, 0, -1))


def test_cursor_is_good_for_its_own_list_alone(call: Api, recorded: Trail) -> None:
    cursor = call("GET", "/audit?resource=projects&limit=2", **ADMIN).json["next"]

    for path in (f"/audit?cursor={cursor}", f"/audit/verification?cursor={cursor}"):
        assert call("GET", path, **ADMIN).status == 422
    foreign = f"/audit?resource=projects&cursor={cursor}"
    assert call("GET", foreign, tenant="globex", **ADMIN).status == 422


def test_tenant_sees_its_own_chain_and_the_platform_each(call: Api, recorded: Trail) -> None:
    named = {"X-Tenant-Id": "acme"}

    assert listed(call, tenant="globex") == []
    assert call("GET", "/audit", tenant="globex", headers=named, **ADMIN).json["items"] == []
    assert listed(call, **PLATFORM_ADMIN) == []
    of_acme = call("GET", "/audit", headers=named, **PLATFORM_ADMIN).json["items"]
    assert len(of_acme) == 11
    for role in ("developer", "viewer"):
        assert call("GET", "/audit", role=role).status == 403
        assert call("GET", "/audit/verification", role=role).status == 403


def test_chain_is_verified_page_by_page(call: Api, recorded: Trail, wire: Wire) -> None:
    found = verified(call)
    with wire.recording() as made:
        assert call("GET", "/audit/verification?limit=4", **ADMIN).json["checked"] == 4

    assert (found["intact"], found["complete"], found["pages"]) == (True, True, 3)
    assert found["verified_to"] == found["head"]["sequence"] == 11
    assert found["head"]["hash"] == recorded.chain()[-1]["hash"]
    assert sorted(c.action for c in made if c.service == "dynamodb") == ["GetItem", "Query"]
    assert len(made) == 3


Tamper = Any


@pytest.mark.parametrize(
    ("tamper", "sequence", "kind"),
    [
        (lambda t: t.change_item("RECORD#000000000006", actor="user:nobody"), 6, "Altered"),
        (lambda t: t.change_item("RECORD#000000000006", note="one field more"), 6, "Altered"),
        (lambda t: t.change_item("RECORD#000000000006", deleted_at="2026-01-01"), 6, "Missing"),
        (lambda t: t.delete_item("RECORD#000000000001"), 1, "Missing"),
        (lambda t: t.delete_item("RECORD#000000000006"), 6, "Missing"),
        (lambda t: t.delete_item("RECORD#000000000011"), 11, "Truncated"),
        (lambda t: t.change_item("HEAD", sequence=10), 11, "HeadMismatch"),
        (lambda t: t.delete_item("HEAD"), 1, "HeadMismatch"),
        (lambda t: _exchange(t, 3, 8), 3, "Moved"),
        (lambda t: _set_back(t, 7), 8, "Truncated"),
    ],
)
def test_tampering_is_found_and_named(
    call: Api, recorded: Trail, tamper: Tamper, sequence: int, kind: str
) -> None:
    tamper(recorded)

    found = verified(call)

    assert found["intact"] is False
    assert (found["fault"]["sequence"], found["fault"]["kind"]) == (sequence, kind)
    assert found["verified_to"] == sequence - 1
    assert found["next"] is None


def _exchange(trail: Trail, first: int, second: int) -> None:
    keys = [f"RECORD#{number:012d}" for number in (first, second)]
    items = [trail.cloud.item("TENANT#acme#AUDIT", key) for key in keys]
    for key, item in zip(keys, reversed(items), strict=True):
        trail.change_item(key, **{k: v for k, v in item.items() if k not in ("pk", "sk")})


def _set_back(trail: Trail, last: int) -> None:
    """Cut the end off and make the head fit: a chain that is sound in itself."""
    chain = trail.chain()
    for record in chain[last:]:
        trail.delete_item(record["sk"])
    trail.change_item("HEAD", sequence=last, hash=chain[last - 1]["hash"])


def test_copy_that_was_altered_is_shown_as_such(call: Api, recorded: Trail, cloud: Cloud) -> None:
    copy = next(i for i in cloud.items() if i["sk"].startswith("RESOURCE#projects/p3#"))
    recorded.change_item(copy["sk"], actor="user:nobody")

    [shown] = listed(call, "resource=projects/p3")

    assert shown["intact"] is False


def test_redrive_forwards_failed_batches_of_its_own_mapping(
    call: Api, trail: Trail, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("POST", "/projects", {"name": "vision"})
    batch = json.dumps({"version": "1.0", "payload": json.dumps(cloud.stream_records())})
    for mapping in ("audit", "publish"):
        cloud.s3.put_object(
            Bucket=cloud.bucket, Key=f"aws/lambda/{mapping}/2026/03/02/a", Body=batch
        )
    monkeypatch.setenv("FAILED_RECORDS_BUCKET", cloud.bucket)
    monkeypatch.setenv("FAILED_RECORDS_PREFIX", "aws/lambda/audit/")
    forget_wiring()

    assert invoke("auditing/redrive_changes", {}) == {"forwarded": 1, "kept": 0}
    assert trail.record() == []

    assert [record["resource"] for record in trail.chain()] == ["projects/vision"]
    assert cloud.keys("aws/lambda/") == ["aws/lambda/publish/2026/03/02/a"]
