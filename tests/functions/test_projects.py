"""Projects over HTTP."""

import pytest

from controlplane.serving.model import MAX_DEPLOYMENTS
from local.bench.wire import Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.cluster import Cluster, cluster_secret, store_secret
from tests.functions.samples import on_the_bus
from tests.functions.scenario import Scenario
from tests.local.kubernetes_api.running_server import RunningServer


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


@pytest.fixture
def cluster(cloud: Cloud, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """One in which revisions can be retired."""
    monkeypatch.setenv("CLUSTER_SECRET_ARN", store_secret(cloud, cluster_secret(server)))
    made = Cluster(server, "acme")
    made.onboard()
    return made


@pytest.mark.usefixtures("cluster")
def test_delete_project_with_a_deployment_refused_until_it_is_gone(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    """A deployment without a version is in nobody's way but its project's."""
    made = call("POST", "/projects/vision/deployments", {"name": "spare", "model": "digits"})
    assert made.status == 201, made.body

    refused = call("DELETE", "/projects/vision")
    assert (refused.status, refused.code) == (409, "in_use")
    assert "deployments" in refused.json["remedy"]

    assert call("DELETE", "/projects/vision/deployments/spare").status == 202
    event = on_the_bus(cloud.item(acme.partition, "DEPLOYMENT#spare")["event"])
    leaving = acme.open_rollout(event, "leaving")
    assert leaving["action"] == "Retire"
    invoke("serving/retire_revision", leaving["rollout"])
    assert call("GET", "/projects/vision/deployments").json["items"] == []
    assert call("DELETE", "/projects/vision").status == 204


def test_a_deployment_made_while_its_project_is_deleted_keeps_it(
    call: Api, acme: Scenario, wire: Wire
) -> None:
    path = "/projects/vision/deployments"

    def make(sent: object) -> None:
        if getattr(sent, "action", "") == "TransactWriteItems":
            wire.before = None
            assert call("POST", path, {"name": "spare", "model": "digits"}).status == 201

    wire.before = make
    assert call("DELETE", "/projects/vision").status == 409
    assert [found["name"] for found in call("GET", path).json["items"]] == ["spare"]


def test_deployments_that_serve_nothing_have_a_limit(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    path, key = "/projects/vision/deployments", {"Idempotency-Key": "last"}
    project = cloud.item("TENANT#acme", "PROJECT#vision")
    others = {name: value for name, value in project.items() if name not in ("pk", "sk")}
    cloud.put("TENANT#acme", "PROJECT#vision", **others | {"deployments": MAX_DEPLOYMENTS - 1})
    last = {"name": "last", "model": "digits"}

    assert call("POST", path, last, headers=key).status == 201
    refused = call("POST", path, {"name": "more", "model": "digits"})

    assert (refused.status, refused.code) == (422, "limit_exceeded")
    assert refused.json["remedy"]
    assert call("POST", path, last, headers=key).status == 201, "a repeat needs no room"
