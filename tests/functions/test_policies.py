"""A tenant's own policies: created, checked, asked within seconds, changed, deleted; they take away and never give."""

from types import SimpleNamespace
from typing import Any

import pytest

from controlplane.authorization.model import EXAMPLE, MAX_POLICIES, MAX_TOTAL_BYTES
from controlplane.runtime import access_cache
from controlplane.runtime.access_cache import LIFETIME_SECONDS
from tests.functions.api_calls import Answer, Api, Person
from tests.functions.cloud import Cloud
from tests.functions.container import Log, forget_wiring
from tests.functions.scenario import Scenario

FREEZE = 'forbid (principal, action in Action::"change", resource);'
KEY = {"Idempotency-Key": "one"}
ROOT = Person(tenant=None, role="platform-admin")


def create(call: Api, name: str = "freeze", text: str = FREEZE, **options: Any) -> Answer:
    body = {"name": name, "text": text} | options.pop("body", {})
    return call("POST", "/policies", body, role="tenant-admin", **options)


def administer(call: Api, method: str, path: str, body: Any = None, **options: Any) -> Answer:
    return call(method, path, body, role="tenant-admin", **options)


def change_project(call: Api, **options: Any) -> Answer:
    """What FREEZE forbids; refused as missing where nothing forbids it."""
    forget_wiring()  # as a container that remembers nothing
    return call("DELETE", "/projects/nothing", **options)


def test_a_policy_is_shown_as_it_was_created(call: Api) -> None:
    made = create(call, body={"description": "Before the audit"})
    shown = administer(call, "GET", "/policies/freeze")

    assert (made.status, made.headers["location"]) == (201, "/api/v1/policies/freeze")
    assert made.json == shown.json
    assert shown.etag == '"1"'
    assert shown.json["text"] == FREEZE
    assert shown.json["enabled"] is True
    assert administer(call, "GET", "/policies").json["items"] == [shown.json]


def test_a_policy_refuses_what_roles_permit_and_says_so(call: Api, cloud: Cloud) -> None:
    assert change_project(call).status == 404
    create(call)

    refused, told = change_project(call), change_project(call, role="tenant-admin")

    assert (refused.status, refused.json["reason"]) == (403, "restricted_by_tenant")
    assert "policies" not in refused.json
    assert told.json["policies"] == ["tenant/freeze"]
    assert call("GET", "/projects").status == 200
    assert change_project(call, tenant="globex").status == 404


def test_a_policy_holds_in_a_warm_container_within_seconds(
    call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(access_cache, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    assert call("DELETE", "/projects/nothing").status == 404
    create(call)

    clock[0] += LIFETIME_SECONDS

    assert call("DELETE", "/projects/nothing").status == 403
    assert LIFETIME_SECONDS <= 5


def test_a_policy_that_is_switched_off_or_deleted_forbids_nothing(call: Api, cloud: Cloud) -> None:
    create(call)
    assert change_project(call).status == 403

    off = administer(call, "PATCH", "/policies/freeze", {"enabled": False})
    assert (off.status, off.json["enabled"], off.etag) == (200, False, '"2"')
    assert change_project(call).status == 404

    administer(call, "PATCH", "/policies/freeze", {"enabled": True})
    assert change_project(call).status == 403

    assert administer(call, "DELETE", "/policies/freeze").status == 204
    assert change_project(call).status == 404
    assert administer(call, "GET", "/policies/freeze").status == 404
    assert administer(call, "GET", "/policies").json["items"] == []
    assert create(call).status == 201


def test_changed_text_is_what_is_asked(call: Api, cloud: Cloud) -> None:
    create(call)
    narrower = 'forbid (principal, action == Action::"createProject", resource);'

    administer(call, "PATCH", "/policies/freeze", {"text": narrower})

    assert change_project(call).status == 404
    assert call("POST", "/projects", {"name": "another"}).status == 403


def test_several_policies_are_asked_together(call: Api, cloud: Cloud) -> None:
    create(call)
    create(
        call,
        "keys",
        'forbid (principal is Key, action, resource) when { principal.machine == "ci" };',
    )
    create(
        call,
        "office",
        'forbid (principal, action in Action::"change", resource)\n'
        'unless { context has source_ip && context.source_ip.isInRange(ip("10.0.0.0/8")) };',
    )

    refused = change_project(call, role="tenant-admin")

    assert refused.json["policies"] == ["tenant/freeze", "tenant/office"]


def test_administrators_cannot_lock_themselves_out(call: Api, cloud: Cloud) -> None:
    assert create(call, "nothing", "forbid (principal, action, resource);").status == 201
    forget_wiring()

    assert call("GET", "/me", role="tenant-admin").status == 403
    assert administer(call, "GET", "/policies/nothing").status == 200
    assert administer(call, "POST", "/policies/validate", {"text": FREEZE}).status == 200
    assert administer(call, "DELETE", "/policies/nothing").status == 204
    forget_wiring()
    assert call("GET", "/me", role="tenant-admin").status == 200


def test_a_policy_binds_a_platform_administrator_in_the_tenant_and_nowhere_else(
    call: Api, cloud: Cloud
) -> None:
    create(call, "nothing", "forbid (principal, action, resource);")
    forget_wiring()

    inside = call.call_as(ROOT, "GET", "/projects", headers={"X-Tenant-Id": "acme"})
    repair = call.call_as(ROOT, "DELETE", "/policies/nothing", headers={"X-Tenant-Id": "acme"})

    assert (inside.status, inside.json["policies"]) == (403, ["tenant/nothing"])
    assert repair.status == 204


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "permit (principal, action, resource);",
            "line 1, column 1: a tenant's own policy can only forbid",
        ),
        (FREEZE + FREEZE, "one policy"),
        ("forbid (principal == ?principal, action, resource);", "template"),
        ("forbid (principal, action, resource", "line 1, column 36: unexpected end of input"),
        (
            'forbid (\n  principal,\n  action == Action::"deleteProjct",\n  resource\n);',
            "line 3, column 13: unrecognized action",
        ),
        ('forbid (principal in Role::"root", action, resource);', "line 1, column 22: entity"),
        ('forbid (principal, action, resource in Tenant::"globex");', "not of tenant acme"),
        ('forbid (principal, action, resource in Project::"globex/vision");', "not of tenant acme"),
        ('forbid (principal, action == Action::"deletePolicy", resource);', "repair"),
        ('@id("people-stay-in-their-tenant")\n' + FREEZE, "leave `@id` out"),
        ("// nothing", "one policy"),
    ],
)
def test_what_is_no_restriction_of_the_own_tenant_is_refused_with_its_place(
    call: Api, cloud: Cloud, text: str, problem: str
) -> None:
    checked = administer(call, "POST", "/policies/validate", {"text": text})
    refused = create(call, text=text)

    assert (checked.status, checked.json["valid"]) == (200, False)
    assert (refused.status, refused.code) == (422, "invalid_policy")
    assert problem in refused.json["errors"][0]["problem"]
    assert refused.json["errors"][0]["field"] == "body.text"
    assert len(checked.json["faults"]) == len(refused.json["errors"])
    assert refused.json["remedy"]
    assert administer(call, "GET", "/policies").json["items"] == []


@pytest.mark.parametrize("text", [FREEZE, EXAMPLE])
def test_what_would_be_accepted_is_said_without_storing_it(
    call: Api, cloud: Cloud, text: str
) -> None:
    checked = administer(call, "POST", "/policies/validate", {"text": text})

    assert (checked.status, checked.json) == (200, {"valid": True, "faults": []})
    assert administer(call, "GET", "/policies").json["items"] == []


def test_a_change_to_what_is_no_policy_changes_nothing(call: Api, cloud: Cloud) -> None:
    create(call)

    refused = administer(call, "PATCH", "/policies/freeze", {"text": "permit"})

    assert refused.status == 422
    assert administer(call, "GET", "/policies/freeze").json["text"] == FREEZE


def test_a_repeat_creates_once(call: Api, cloud: Cloud) -> None:
    first, second = create(call, headers=KEY), create(call, headers=KEY)

    assert (second.status, second.json, second.etag) == (201, first.json, first.etag)
    assert create(call, text=EXAMPLE, headers=KEY).code == "idempotency_key_reused"
    assert create(call).code == "already_exists"
    assert len(cloud.stored_events()) == 1


def test_a_change_of_another_state_is_refused(call: Api, cloud: Cloud) -> None:
    create(call)
    administer(call, "PATCH", "/policies/freeze", {"description": "changed"})
    stale = {"If-Match": '"1"'}

    changed = administer(call, "PATCH", "/policies/freeze", {"enabled": False}, headers=stale)
    deleted = administer(call, "DELETE", "/policies/freeze", headers=stale)

    assert (changed.status, deleted.status) == (412, 412)
    fresh = {"If-Match": '"2"'}
    assert administer(call, "DELETE", "/policies/freeze", headers=fresh).status == 204


def test_every_change_is_an_event_of_the_policy(call: Api, cloud: Cloud) -> None:
    subject = "policies/freeze"
    for method, path, body, event in (
        ("POST", "/policies", {"name": "freeze", "text": FREEZE}, "PolicyCreated"),
        ("PATCH", "/policies/freeze", {"enabled": False}, "PolicyChanged"),
        ("DELETE", "/policies/freeze", None, "PolicyDeleted"),
    ):
        assert administer(call, method, path, body).status < 300
        [stored] = cloud.stored_events()
        assert (stored["metadata"]["type"], stored["metadata"]["subject"]) == (event, subject)
        assert FREEZE not in str(stored)


def test_number_and_size_are_limited(call: Api, cloud: Cloud) -> None:
    long = f"// {'x' * 8100}\n{FREEZE}"
    assert create(call, "large", "x" * 8193).code == "invalid_request"
    fitting = MAX_TOTAL_BYTES // len(long)
    for number in range(fitting):
        assert create(call, f"long-{number}", long).status == 201

    refused = create(call, "one-more", long)

    assert (refused.status, refused.code) == (422, "limit_exceeded")
    assert str(MAX_TOTAL_BYTES) in refused.json["detail"]
    book = cloud.item("TENANT#acme", "POLICIES")
    sizes = {f"p{number}": 1 for number in range(MAX_POLICIES)}
    cloud.put("TENANT#acme", "POLICIES", **(_own(book) | {"sizes": sizes}))
    assert create(call).code == "limit_exceeded"


def test_name_of_an_operation_is_no_name(call: Api) -> None:
    assert create(call, "validate").code == "invalid_request"


def test_policies_of_another_tenant_are_not_there(call: Api, cloud: Cloud, acme: Scenario) -> None:
    create(call)

    for method in ("GET", "DELETE", "PATCH"):
        body = {"enabled": False} if method == "PATCH" else None
        foreign = administer(call, method, "/policies/freeze", body, tenant="globex")
        assert (foreign.status, foreign.code) == (404, "not_found")
    assert administer(call, "GET", "/policies", tenant="globex").json["items"] == []


def test_policies_that_cannot_be_read_refuse_everything_and_are_logged(
    call: Api, cloud: Cloud, log: Log
) -> None:
    cloud.put("TENANT#acme", "POLICIES", texts={"broken": "permit ("}, digest="1", version=1)

    refused = call("GET", "/projects")

    assert (refused.status, refused.json["reason"]) == (403, "undecidable")
    assert [line["message"] for line in log.lines if line["level"] == "ERROR"] == [
        "policies could not decide"
    ]


def _own(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in ("pk", "sk")}
