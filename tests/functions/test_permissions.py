"""Who may do what: every operation called by every kind of caller, as the table in the documents says."""

import json
from pathlib import Path

import pytest

from tests.counts import count
from tests.functions.api_calls import Api, Operation, Person, operations
from tests.functions.cloud import Cloud
from tests.functions.container import Log
from tests.functions.examples import body_of, path_of
from tests.functions.samples import ROOT
from tests.functions.scenario import Scenario
from tools.policy_table import COLUMNS, read_table

TABLE = read_table((ROOT / "docs/policies.md").read_text())
TITLES = [column.title for column in COLUMNS]
# Platform administrators are let through, so they ask about a tenant that is not there.
TENANT = "umbrella"


def person_of(title: str, cloud: Cloud) -> Person | None:
    """A caller of the table's column; a key comes with its record."""
    if title == "no token":
        return None
    if title == "platform-admin":
        return Person(tenant=None, role=title)
    kind, _, scope = title.partition(": ")
    if kind != "key":
        return Person(role=title)
    subject = f"sub-key-{scope}"
    cloud.put(
        "TENANT#acme",
        f"PRINCIPAL#{subject}",
        kind="key",
        name="k-1",
        machine="ci",
        scopes=[scope],
        roles=["service"],
    )
    return Person(role="service", subject=subject)


def is_permitted(call: Api, person: Person | None, operation: Operation) -> bool:
    """Whether the policies let the request through to what it does, whatever becomes of it then."""
    named = {"X-Tenant-Id": "acme"} if person and person.tenant is None else {}
    path = path_of(operation, tenant=TENANT)
    answer = call.call_as(person, operation.method, path, body_of(operation), named)
    if answer.status == 403:
        assert answer.code == "policy_denied", (operation.id, answer.body)
        assert answer.json["reason"] in ("not_permitted", "other_tenant"), operation.id
        return False
    return answer.status != 401 or "no verified token" not in answer.json["detail"]


@pytest.mark.parametrize("title", TITLES)
def test_each_caller_may_what_the_table_says(
    call: Api, cloud: Cloud, acme: Scenario, title: str
) -> None:
    person = person_of(title, cloud)
    asked = [o for o in operations() if not (o.is_open and person)]
    assert len(asked) >= 5

    found = {o.id: is_permitted(call, person, o) for o in asked}

    assert found == {o.id: TABLE[title, o.id] for o in asked}
    count("operations called by every kind of caller", len(asked))


def test_a_foreign_resource_is_refused_or_not_found_as_a_missing_one_is(
    call: Api, acme: Scenario
) -> None:
    """The policies are asked about the path alone, so who may not look learns nothing of what is there."""
    for person in (Person(role=""), Person(role="viewer"), Person(tenant="globex")):
        for method in ("GET", "DELETE"):
            there, missing = (
                call.call_as(person, method, f"/projects/{name}", headers={"X-Correlation-Id": "c"})
                for name in ("vision", "nope00")
            )
            if person.tenant == "acme" and there.status == 200:
                continue
            assert (there.status, there.headers) == (missing.status, missing.headers)
            assert there.body.replace("vision", "nope00") == missing.body


def test_administrators_learn_which_policies_decided_and_nobody_else_does(
    call: Api, cloud: Cloud
) -> None:
    cloud.add_tenant("acme", status="Suspended")
    body = {"name": "vision"}

    told = call("POST", "/projects", body, role="tenant-admin")
    untold = call("POST", "/projects", body, role="developer")

    assert told.json["policies"] == ["only-active-tenants-change"]
    assert "policies" not in untold.json
    assert told.json["reason"] == untold.json["reason"] == "tenant_not_active"


def test_a_second_factor_is_demanded_where_the_tenant_asks_for_one(call: Api, cloud: Cloud) -> None:
    cloud.add_tenant("acme", require_mfa=True)

    refused = call("GET", "/projects")
    passed = call.call_as(Person(mfa=True), "GET", "/projects")
    root = Person(tenant=None, role="platform-admin")
    helped = call.call_as(root, "GET", "/projects", headers={"X-Tenant-Id": "acme"})

    assert (refused.status, refused.json["reason"]) == (403, "mfa_required")
    assert (passed.status, helped.status) == (200, 200)


def test_what_stands_in_the_query_or_body_is_no_resource(call: Api, cloud: Cloud) -> None:
    """A tenant's own policy is about the project in the path, whatever else a request names."""
    text = 'forbid (principal, action, resource in Project::"acme/vision");'
    cloud.put("TENANT#acme", "POLICIES", texts={"closed": text}, digest="1", version=1)

    assert call("GET", "/projects/vision?project=other").status == 403
    assert call("GET", "/projects/other?project=vision").status == 404


def test_an_operation_that_the_schema_does_not_know_is_refused_and_logged(
    call: Api, cloud: Cloud, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.projects.api import api  # noqa: PLC0415 - the test changes it

    [route] = [r for r in api._static_routes if r.operation_id == "listProjects"]
    monkeypatch.setattr(route, "operation_id", "unheardOf")

    refused = call("GET", "/projects", role="tenant-admin")

    assert (refused.status, refused.json["reason"]) == (403, "undecidable")
    [line] = [line for line in log.lines if line["level"] == "ERROR"]
    assert "unheardOf" in json.dumps(line["errors"])


def test_a_refusal_is_noted_for_the_audit_trail(call: Api, cloud: Cloud) -> None:
    assert call("DELETE", "/projects/vision", role="viewer").status == 403

    [noted] = [item for item in cloud.items() if item["sk"].startswith("DENIAL#")]
    assert noted["pk"] == "TENANT#acme"
    assert "deleteProject" in str(noted)
    assert "projects/vision" in str(noted)


def test_table_is_where_administrators_look_for_it() -> None:
    assert (Path(ROOT) / "docs/policies.md").is_file()
    assert len(TABLE) >= 500
