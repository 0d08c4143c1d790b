"""healthz, me, rejected uploads, and the API's description."""

import json

import pytest

from controlplane.limits import Limits
from tests.functions.api_calls import DOCUMENT, Api, Person
from tests.functions.cloud import Cloud
from tests.functions.scenario import Scenario


def test_healthz_answers_without_a_token(call: Api) -> None:
    healthy = call.call_as(None, "GET", "/healthz")

    assert (healthy.status, healthy.json) == (200, {"status": "ok"})


def test_me_shows_the_caller_and_its_tenants_limits(call: Api, cloud: Cloud) -> None:
    cloud.add_tenant("tiny", tier="small", limits={"max_model_bytes": 10, "max_upload_files": 1})

    me = call("GET", "/me", tenant="tiny", role="viewer", subject="u-1")

    assert me.json == {
        "username": "u-1",
        "subject": "u-1",
        "roles": ["viewer"],
        "tenant": {
            "tenant": "tiny",
            "status": "Active",
            "tier": "small",
            "limits": Limits(max_model_bytes=10, max_upload_files=1).model_dump(),
        },
    }


def test_me_of_a_platform_admin_has_a_tenant_only_if_it_names_one(call: Api) -> None:
    admin = Person(tenant=None, role="platform-admin")

    alone = call.call_as(admin, "GET", "/me")
    named = call.call_as(admin, "GET", "/me", headers={"X-Tenant-Id": "globex"})
    unknown = call.call_as(admin, "GET", "/me", headers={"X-Tenant-Id": "nobody"})

    assert (alone.json["tenant"], alone.json["roles"]) == (None, ["platform-admin"])
    assert named.json["tenant"]["tenant"] == "globex"
    assert (unknown.status, unknown.code) == (403, "forbidden")


def test_me_of_a_user_without_a_tenant_is_forbidden(call: Api) -> None:
    refused = call("GET", "/me", tenant=None)

    assert (refused.status, refused.code) == (403, "forbidden")


def test_rejected_uploads_are_listed_newest_first(call: Api, acme: Scenario) -> None:
    bad = "models/acme/vision/Digits/model.joblib"
    unknown = "models/acme/nowhere/digits/model.joblib"
    for key in (bad, unknown):
        assert acme.register(acme.arrival(key))["state"] == "Rejected"

    listed = call("GET", "/rejected-uploads").json["items"]

    assert [(r["key"], r["reason"]["code"]) for r in listed] == [
        (unknown, "UnknownProject"),
        (bad, "BadKey"),
    ]
    assert all(r["reason"]["message"] and r["reason"]["remedy"] for r in listed)
    assert call("GET", "/rejected-uploads", tenant="globex").json["items"] == []


def test_openapi_document_is_the_checked_in_file(call: Api) -> None:
    served = call.call_as(None, "GET", "/openapi.json")

    assert served.body == DOCUMENT.read_text()
    assert served.headers["content-type"] == "application/json"
    assert json.loads(served.body)["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    ("path", "content_type", "content"),
    [
        ("/docs", "text/html", "swagger-ui"),
        ("/docs/swagger-ui.js", "text/javascript", "SwaggerUIBundle"),
        ("/docs/swagger-ui.css", "text/css", ".swagger-ui"),
    ],
)
def test_swagger_ui_is_served_from_files(
    call: Api, path: str, content_type: str, content: str
) -> None:
    served = call.call_as(None, "GET", path)

    assert (served.status, served.headers["content-type"]) == (200, content_type)
    assert content in served.body
    assert "max-age" in served.headers["cache-control"]


def test_swagger_ui_loads_nothing_from_elsewhere(call: Api) -> None:
    page = call.call_as(None, "GET", "/docs").body

    assert "openapi.json" in page
    assert "http://" not in page
    assert "https://" not in page
