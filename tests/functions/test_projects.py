"""Projects over HTTP."""

from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.scenario import Scenario


def test_create_project_answers_where_it_is_and_its_state(call: Api, cloud: Cloud) -> None:
    created = call("POST", "/projects", {"name": "vision", "description": "What we see"})

    assert created.status == 201
    assert created.headers["location"] == "/api/v1/projects/vision"
    assert created.headers["content-type"] == "application/json"
    assert created.etag == '"1"'
    assert created.json == {
        "name": "vision",
        "description": "What we see",
        "created_at": created.json["created_at"],
        "created_by": "sub-acme-developer",
        "model_versions": 0,
    }
    found = call("GET", "/projects/vision")
    assert (found.status, found.json, found.etag) == (200, created.json, '"1"')
    stored = cloud.item("TENANT#acme", "PROJECT#vision")
    assert stored["event"]["detail_type"] == "ProjectCreated"


def test_create_project_that_exists_conflicts(call: Api, acme: Scenario) -> None:
    refused = call("POST", "/projects", {"name": "vision"})

    assert (refused.status, refused.code) == (409, "already_exists")


def test_delete_project_then_the_name_is_free_again(call: Api, acme: Scenario) -> None:
    gone = call("DELETE", "/projects/vision")

    assert (gone.status, gone.body) == (204, "")
    assert call("GET", "/projects/vision").status == 404
    assert call("GET", "/projects").json == {"items": [], "next": None}
    assert call("DELETE", "/projects/vision").status == 404
    assert call("POST", "/projects", {"name": "vision"}).status == 201
    assert [p["name"] for p in call("GET", "/projects").json["items"]] == ["vision"]


def test_delete_project_with_versions_refused(call: Api, acme: Scenario) -> None:
    acme.upload_version()

    refused = call("DELETE", "/projects/vision")

    assert (refused.status, refused.code) == (409, "in_use")
    assert refused.json["remedy"]
    assert call("GET", "/projects/vision").json["model_versions"] == 1


def test_deleted_project_publishes_its_end_with_a_time_to_live(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    call("DELETE", "/projects/vision")

    left = cloud.item("TENANT#acme", "PROJECT#vision")
    assert left["event"]["detail_type"] == "ProjectDeleted"
    assert "deleted_at" in left
    assert "expires_at" not in left, "what lies below it is found through it"
