"""Every operation of the OpenAPI document, asked by those who must not get it, in every way a tenant can be forged.

Attacks by token are in tests/stack: they need the gateway's authorizer. What comes with whose role is in
test_permissions. Here the token is good, and the caller is in the wrong tenant, or in none.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from controlplane.runtime import access_cache
from tests import counts
from tests.functions import examples
from tests.functions.api_calls import Answer, Api, Operation, Person, operations
from tests.functions.cloud import Cloud
from tests.functions.tenants import (
    Holdings,
    digest_of,
    leaks,
    objects_digest,
    populate,
)

VICTIM, INTRUDER = "acme", "globex"
CLOSED = [o for o in operations() if not o.is_open]
OF_A_TENANT = [o for o in CLOSED if "tenant" not in o.parameters and "tier" not in o.parameters]
NAMED = [o for o in OF_A_TENANT if set(o.parameters) - {"subscriber", "group"}]
LISTS = [o for o in OF_A_TENANT if o.is_listing]
CREATING = [o for o in OF_A_TENANT if o.method == "POST"]
CHANGING = [o for o in OF_A_TENANT if o.method in ("PATCH", "PUT", "DELETE")]
CORRELATION = {"X-Correlation-Id": "same"}
Change = Callable[[Operation, str, Any, dict[str, str]], tuple[str, Any, dict[str, str]]]


class Scene:
    """The victim and the intruder with one of everything each, and a warm container."""

    def __init__(self, call: Api, cloud: Cloud) -> None:
        self.call, self.cloud = call, cloud
        self.victim = populate(call, cloud, VICTIM)
        self.intruder = populate(call, cloud, INTRUDER)
        self.asked = 0

    def ask(
        self,
        operation: Operation,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        role: str = "tenant-admin",
        tenant: str | None = INTRUDER,
    ) -> Answer:
        """Ask as somebody of the intruder's tenant; whatever comes back shows nothing of the victim."""
        person = Person(tenant, role, f"intruder-{role}")
        self.asked += 1
        answer = self.call.call_as(
            person, operation.method, path, body, dict(headers or {}), function=operation.function
        )
        found = leaks(answer, f"{path} {json.dumps(body)} {headers}", [self.victim])
        assert not found, (operation.id, path, headers, answer.body, found)
        assert answer.status < 500, (operation.id, path, headers, answer.body)
        return answer

    def state(self) -> tuple[str, str]:
        return digest_of(self.cloud, VICTIM), objects_digest(self.cloud, VICTIM)


@pytest.fixture
def scene(call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(access_cache, "LIFETIME_SECONDS", 600.0)
    return Scene(call, cloud)


@pytest.fixture(autouse=True)
def untouched(scene: Scene) -> Any:
    """Nothing that is asked in a test changes anything of the victim's."""
    before = scene.state()
    yield
    assert scene.state() == before
    counts.count("attacks on operations by tenants that must not", scene.asked)


def test_nobody_without_verified_claims_is_answered(scene: Scene) -> None:
    for operation in CLOSED:
        for person in (None, Person(None, "developer"), Person(None, "tenant-admin")):
            path = scene.victim.path(operation)
            body = examples.body_of(operation)
            answer = scene.call.call_as(person, operation.method, path, body)
            assert (answer.status, operation.id) == (401 if person is None else 403, operation.id)
            assert not leaks(answer, path, [scene.victim])
            scene.asked += 1


def test_foreign_things_answer_as_missing_ones(scene: Scene) -> None:
    """The victim's name, and one that nobody has: the same status, headers and words, whatever the role."""
    for role, operation in itertools.product(("tenant-admin", "developer", "viewer"), NAMED):
        body = examples.body_of(operation)
        real = {name: scene.victim.name(name) for name in operation.parameters}
        missing = {name: _missing(name, value) for name, value in real.items()}
        foreign_path, missing_path = (operation.path.format(**n) for n in (real, missing))

        foreign, absent = (
            scene.ask(operation, path, body, CORRELATION, role)
            for path in (foreign_path, missing_path)
        )

        assert foreign.status == absent.status, operation.id
        said = foreign.body
        for name, value in real.items():
            said = said.replace(f" {value}", f" {missing[name]}")
        assert said == absent.body, operation.id
        assert foreign.headers == absent.headers, operation.id
        if operation.is_listing:
            assert foreign.status in (403, 404) or foreign.json["items"] == [], operation.id
        else:
            assert foreign.status in (403, 404), (operation.id, foreign.body)


def _missing(name: str, value: str) -> str:
    """A name of the same shape that nobody has."""
    if name == "version":
        return "99999"
    replaced = "".join("0" if c in "123456789abcdef" and i > 2 else c for i, c in enumerate(value))
    return replaced if replaced != value else f"{value[:-1]}q"


def in_header(_: Operation, path: str, body: Any, headers: dict[str, str]) -> tuple[str, Any, Any]:
    named = ("X-Tenant-Id", "X-Tenant", "Tenant-Id", "X-Amz-Tenant-Id", "X-Forwarded-User")
    return path, body, headers | dict.fromkeys(named, VICTIM)


def in_query(_: Operation, path: str, body: Any, headers: dict[str, str]) -> tuple[str, Any, Any]:
    return f"{path}?tenant={VICTIM}&tenant_id={VICTIM}&X-Tenant-Id={VICTIM}", body, headers


def in_body(_: Operation, path: str, body: Any, headers: dict[str, str]) -> tuple[str, Any, Any]:
    if isinstance(body, dict):
        body = body | {"tenant": VICTIM, "tenant_id": VICTIM, "pk": f"TENANT#{VICTIM}"}
    return path, body, headers


FORGERIES: tuple[Change, ...] = (in_header, in_query, in_body)


def test_a_forged_tenant_changes_no_answer(scene: Scene) -> None:
    """Asked of the victim's things: what an honest request gets, a forged one gets, or it is called invalid."""
    for forge, operation in itertools.product(FORGERIES, OF_A_TENANT):
        path = scene.victim.path(operation)
        if operation.method != "GET" and not operation.parameters:
            continue  # makes something of the intruder's own; the next test is about those
        body = examples.body_of(operation)
        honest = scene.ask(operation, path, body, CORRELATION)
        forged_path, forged_body, headers = forge(operation, path, body, dict(CORRELATION))

        forged = scene.ask(operation, forged_path, forged_body, headers)

        assert forged.status in (honest.status, 422), (operation.id, forged.body)
        if forged.status == honest.status and "time" not in forged.body:
            assert forged.body == honest.body, operation.id


def test_what_is_created_with_a_forged_tenant_is_the_callers_own(scene: Scene) -> None:
    created = 0
    for operation in CREATING:
        if operation.parameters:
            continue
        body, path = examples.body_of(operation), operation.path
        for forge in FORGERIES:
            forged_path, forged_body, headers = forge(operation, path, body, {})
            created += scene.ask(operation, forged_path, forged_body, headers).status < 300
    assert created


def test_a_forged_path_leads_nowhere(scene: Scene) -> None:
    tricks = (
        "..",
        "%2e%2e",
        "..%2f..",
        "%23",
        "TENANT%23acme",
        "*",
        "%2A",
        "acme%00",
        "%25",
        "a/x",
    )
    for segment, operation in itertools.product(tricks, NAMED):
        for parameter in operation.parameters:
            real = {name: scene.victim.name(name) for name in operation.parameters}
            path = operation.path.format(**(real | {parameter: segment}))
            answer = scene.ask(operation, path, examples.body_of(operation))
            if answer.status < 300:
                assert operation.is_listing, (operation.id, path, answer.body)
                assert answer.json.get("items") == [], (operation.id, path, answer.body)


def test_a_foreign_cursor_is_no_cursor(scene: Scene) -> None:
    cursors = set(scene.victim.cursors.values())
    assert len(cursors) >= 2
    for operation in LISTS:
        for held in (scene.victim, scene.intruder):
            for cursor in cursors:
                answer = scene.ask(operation, f"{held.path(operation)}?cursor={cursor}")
                assert answer.status in (403, 422), (operation.id, answer.body)


def test_a_foreign_idempotency_key_tells_nothing(scene: Scene) -> None:
    """The victim has used it: the intruder's request counts as new, is refused as invalid, or finds nothing."""
    for operation in CREATING:
        for key in scene.victim.idempotency_keys:
            path, body = scene.victim.path(operation), examples.body_of(operation)
            answer = scene.ask(operation, path, body, {"Idempotency-Key": key})
            assert answer.code != "idempotency_key_reused" if answer.status == 422 else True
            if operation.parameters and answer.status < 300:
                pytest.fail(f"{operation.id} answered {answer.body}")


def test_a_foreign_etag_changes_nothing(scene: Scene) -> None:
    """It is not told whether it was the right one: what is foreign is missing, before its version is compared."""
    for operation in CHANGING:
        path, body = scene.victim.path(operation), examples.body_of(operation)
        answers = [
            scene.ask(operation, path, body, CORRELATION | {"If-Match": etag})
            for etag in ('"1"', '"2"', '"999"', "*")
        ]
        assert {a.status for a in answers} <= {403, 404}, (operation.id, answers[0].body)
        assert len({a.body for a in answers}) == 1, operation.id


def test_matrix_is_made_of_every_operation() -> None:
    assert len(CLOSED) == len([o for o in operations() if not o.is_open])
    assert len(NAMED) >= 18
    assert len(LISTS) >= 8
    assert len(CREATING) >= 5
    assert len(CHANGING) >= 4


def test_guards_see_what_they_look_for(scene: Scene) -> None:
    """A leak, and a change: the victim's own answer holds its words."""
    [operation] = [o for o in operations() if o.id == "getProject"]
    held: Holdings = scene.victim
    shown = scene.call("GET", held.path(operation), tenant=VICTIM, role="tenant-admin")

    assert leaks(shown, "", [held])
    assert not leaks(shown, "", [scene.intruder])
    before = scene.state()
    scene.cloud.put(f"TENANT#{VICTIM}#PROJECT#x", "MODEL#x", name="x")
    assert scene.state() != before
    scene.cloud.clients.dynamodb.delete_item(
        TableName=scene.cloud.table,
        Key={"pk": {"S": f"TENANT#{VICTIM}#PROJECT#x"}, "sk": {"S": "MODEL#x"}},
    )
