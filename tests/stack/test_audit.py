"""The audit trail of the running stack: two tenants at once, and somebody who tampers with a chain."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest

from local.settings import PROJECT
from tests.stack.caller import Caller, Json
from tests.stack.running import RunningStack
from tests.waiting import eventually

TENANTS = ("acme", "globex")
CLIENTS, ROUNDS = 3, 4


def records(caller: Caller, since: str) -> list[Json]:
    """The records of what has happened since then, in the order of the chain."""
    found: list[Json] = []
    cursor = ""
    while not found or cursor:
        page = caller.get(f"/audit?since={since}{cursor}")
        found += page["items"]
        cursor = f"&cursor={page['next']}" if page["next"] else ""
        if not page["items"]:
            break
    return sorted(found, key=lambda record: int(record["sequence"]))


def verified(caller: Caller) -> Json:
    """What the last stretch of a verification says."""
    cursor = ""
    while True:
        found = caller.get(f"/audit/verification?limit=100{cursor}")
        if not found["next"]:
            return found
        cursor = f"&cursor={found['next']}"


def make_changes(caller: Caller, project: str) -> list[str]:
    """Create and delete a project a few times; the correlation ids in their order."""
    asked: list[str] = []
    for _ in range(ROUNDS):
        for method, path, body in (
            ("POST", "/projects", {"name": project}),
            ("DELETE", f"/projects/{project}", None),
        ):
            asked.append(str(uuid4()))
            answer = caller.call(method, path, body, {"X-Correlation-Id": asked[-1]})
            assert answer.status < HTTPStatus.BAD_REQUEST, answer
    return asked


def test_changes_of_two_tenants_at_once_end_in_two_sound_chains(stack: RunningStack) -> None:
    admins = {tenant: stack.caller(tenant, "tenant-admin") for tenant in TENANTS}
    since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    with ThreadPoolExecutor(2 * CLIENTS) as pool:
        working = [
            (tenant, pool.submit(make_changes, stack.caller(tenant), stack.name("audited")))
            for tenant in TENANTS
            for _ in range(CLIENTS)
        ]
        asked = [(tenant, work.result()) for tenant, work in working]

    for tenant, admin in admins.items():
        wanted = [ids for owner, ids in asked if owner == tenant]
        chain = _complete_chain(admin, since, {i for ids in wanted for i in ids})
        assert len({record["event_id"] for record in chain}) == len(chain)
        order = [record["correlation_id"] for record in chain]
        for ids in wanted:
            assert [correlation for correlation in order if correlation in ids] == ids
        foreign = {i for owner, ids in asked if owner != tenant for i in ids}
        assert foreign.isdisjoint(order)
        found = verified(admin)
        assert (found["intact"], found["complete"]) == (True, True), found


def _complete_chain(admin: Caller, since: str, wanted: set[str]) -> list[Json]:
    def look() -> list[Json] | None:
        found = records(admin, since)
        return found if wanted <= {record["correlation_id"] for record in found} else None

    return eventually(look, "every change to be recorded", 60)


def _is_recorded(admin: Caller, correlation: str) -> int:
    """The number of the record of a change."""

    def look() -> int | None:
        for record in admin.get("/audit?limit=20")["items"]:
            if record["correlation_id"] == correlation:
                return int(record["sequence"])
        return None

    return eventually(look, "the change to be recorded", 60)


@pytest.fixture
def a_record(stack: RunningStack) -> int:
    """The number of a record of globex that has others behind it."""
    developer, admin = stack.caller("globex"), stack.caller("globex", "tenant-admin")
    return _is_recorded(admin, make_changes(developer, stack.name("tampered"))[0])


@contextmanager
def tampered(
    stack: RunningStack, number: int, change: Callable[[Json], Json | None]
) -> Iterator[None]:
    """A record of globex as `change` leaves it, or gone; as it was again at the end."""
    client, table = stack.aws("dynamodb"), stack.described["table_name"]
    key = {"pk": {"S": "TENANT#globex#AUDIT"}, "sk": {"S": f"RECORD#{number:012d}"}}
    true: Json = client.get_item(TableName=table, Key=key)["Item"]
    changed = change(dict(true))
    if changed is None:
        client.delete_item(TableName=table, Key=key)
    else:
        client.put_item(TableName=table, Item=changed)
    try:
        yield
    finally:
        client.put_item(TableName=table, Item=true)


def _forged(item: Json) -> Json:
    return item | {"actor": {"S": "user:somebody-else"}}


@pytest.mark.parametrize(
    ("change", "kind"), [(_forged, "Altered"), (lambda _: None, "Missing")], ids=["altered", "gone"]
)
def test_tampering_is_found_by_the_api_and_by_the_command(
    stack: RunningStack, a_record: int, change: Any, kind: str
) -> None:
    admin = stack.caller("globex", "tenant-admin")
    with tampered(stack, a_record, change):
        found = verified(admin)
        command = verify_audit(stack)
        others = verified(stack.caller("acme", "tenant-admin"))

    assert (found["intact"], found["fault"]["sequence"]) == (False, a_record)
    assert found["fault"]["kind"] == kind
    assert command.returncode == 1
    assert f"globex: record {a_record}: {kind}" in command.stdout
    assert others["intact"] is True
    again = verify_audit(stack)
    assert again.returncode == 0, again.stdout
    assert "globex" in again.stdout


def verify_audit(stack: RunningStack) -> "subprocess.CompletedProcess[str]":
    """`make verify-audit`, without make."""
    state = str(stack.settings.state)
    return subprocess.run(
        [sys.executable, "-m", "local", "--state", state, "--ports", "auto", "verify-audit"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
