"""Models and their versions over HTTP."""

import pytest

from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import on_the_bus
from tests.functions.scenario import Scenario

VERSIONS = "/projects/vision/models/digits/versions"


def test_model_shows_its_newest_version_and_their_number(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.upload_version(content=b"better")

    found = call("GET", "/projects/vision/models/digits")
    listed = call("GET", "/projects/vision/models")

    assert (found.json["latest_version"], found.json["versions"]) == (2, 2)
    assert found.etag
    assert listed.json == {"items": [found.json], "next": None}
    assert call("GET", "/projects/vision").json["model_versions"] == 2


def test_versions_are_listed_newest_first(call: Api, acme: Scenario) -> None:
    for content in (b"one", b"two", b"three"):
        acme.upload_version(content=content)

    assert [v["version"] for v in call("GET", VERSIONS).json["items"]] == [3, 2, 1]


def test_version_shows_where_it_came_from(call: Api, acme: Scenario) -> None:
    acme.upload_version(content=b"one")

    found = call("GET", f"{VERSIONS}/1")

    assert found.etag == '"1"'
    assert found.json["source"]["key"] == "models/acme/vision/digits/model.joblib"
    assert (found.json["format"], found.json["size"]) == ("sklearn", 3)
    assert found.json["served_by"] == []


def test_deleted_version_is_gone_with_its_files_and_its_number_is_not_given_again(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    acme.upload_version(content=b"one")
    acme.upload_version(content=b"two")

    gone = call("DELETE", f"{VERSIONS}/2")

    assert gone.status == 204
    assert call("GET", f"{VERSIONS}/2").status == 404
    assert call("DELETE", f"{VERSIONS}/2").status == 404
    assert [v["version"] for v in call("GET", VERSIONS).json["items"]] == [1]
    assert call("GET", "/projects/vision").json["model_versions"] == 1
    assert cloud.keys("registry/tenant-acme/vision/digits/2/")
    deleted = cloud.item(acme.partition, "VERSION#digits#00000002")["event"]
    invoke("registry/delete_artifacts", on_the_bus(deleted))
    assert cloud.keys("registry/") == ["registry/tenant-acme/vision/digits/1/model.joblib"]
    assert acme.upload_version(content=b"three") == 3


def test_model_without_versions_is_not_there(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    call("DELETE", f"{VERSIONS}/1")

    assert call("GET", "/projects/vision/models/digits").status == 404
    assert call("GET", VERSIONS).status == 404
    assert call("GET", "/projects/vision/models").json["items"] == []
    assert call("DELETE", "/projects/vision").status == 204


def test_version_that_a_deployment_holds_cannot_be_deleted(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.serve(1)

    refused = call("DELETE", f"{VERSIONS}/1")

    assert (refused.status, refused.code) == (409, "in_use")
    assert "digits" in refused.json["detail"]
    assert refused.json["remedy"]
    assert call("GET", f"{VERSIONS}/1").json["served_by"] == ["digits"]


def test_version_number_outside_its_bounds_is_a_faulty_request(call: Api, acme: Scenario) -> None:
    for number in ("0", "100000000", "one"):
        assert call("GET", f"{VERSIONS}/{number}").status == 422
    assert call("GET", f"{VERSIONS}/99999999").status == 404


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("project", ["vision", "nowhere"])
def test_versions_of_a_model_that_is_not_there(call: Api, project: str) -> None:
    refused = call("GET", f"/projects/{project}/models/none/versions")

    assert (refused.status, refused.code) == (404, "not_found")
