"""No tenant sees or touches what is another's: every operation below a project, on acme's real objects.

Every other operation, with every kind of caller, is in `test_attacks`.
"""

import dataclasses
import itertools
from typing import Any

import pytest

from tests.functions.api_calls import Api, Operation, Person, operations
from tests.functions.cloud import Cloud
from tests.functions.scenario import FILES, Scenario, manifest_of

# What a request of each operation needs besides its path; an operation that is not here sends no body.
BODIES: dict[str, Any] = {
    "POST /projects": {"name": "another"},
    "POST /projects/{project}/models/{model}/uploads": manifest_of(FILES),
    "POST /projects/{project}/models/{model}/credentials": None,
    "POST /projects/{project}/deployments/{deployment}/rollouts": {"version": 1},
}
# A project that is not empty; a deployment whose rollout, asked for in the same walk, still waits.
REFUSED_TO_THE_OWNER = frozenset(
    {"DELETE /projects/{project}", "DELETE /projects/{project}/deployments/{deployment}"}
)
WALKED = [operation for operation in operations() if "project" in operation.parameters]
INTRUDERS = [Person("globex", "developer"), Person("globex", "tenant-admin")]


@dataclasses.dataclass(frozen=True)
class Objects:
    """The names of acme's objects, by the parameter that takes them."""

    names: dict[str, str]

    def path(self, operation: Operation) -> str:
        missing = set(operation.parameters) - set(self.names)
        assert not missing, f"{operation.name} needs an example of acme's for {missing}"
        return operation.path.format(**self.names)


@pytest.fixture
def objects(call: Api, acme: Scenario) -> Objects:
    """One of everything, made as acme makes it."""
    acme.upload_version(content=b"one")
    acme.upload_version(content=b"two")
    rollout = acme.serve(1)["rollout_id"]
    upload = acme.open_upload()["upload"]["upload"]
    acme.register(acme.arrival("models/acme/vision/Bad/model.joblib"))
    return Objects(
        {
            "project": "vision",
            "model": "digits",
            "version": "2",
            "upload": upload,
            "deployment": "digits",
            "rollout": rollout,
        }
    )


def body_of(operation: Operation) -> Any:
    if operation.method == "POST":
        assert operation.name in BODIES, f"{operation.name} needs an example of its body"
    return BODIES.get(operation.name)


def test_walk_covers_the_document() -> None:
    assert len(WALKED) >= 16
    assert {"GET", "POST", "DELETE"} <= {operation.method for operation in WALKED}


def test_every_operation_works_for_the_owner(call: Api, objects: Objects) -> None:
    """Without this the walk would find 404 for the wrong reason. Deletions come last, children first."""
    order = {"GET": 0, "POST": 1, "DELETE": 2}
    for operation in sorted(WALKED, key=lambda o: (order[o.method], -o.path.count("/"))):
        answer = call(operation.method, objects.path(operation), body_of(operation))
        expected = {200, 201, 202, 204}
        if operation.name in REFUSED_TO_THE_OWNER:
            expected = {409}
        assert answer.status in expected, (operation.name, answer.body)


def test_another_tenant_finds_nothing(call: Api, cloud: Cloud, objects: Objects) -> None:
    """A developer and an administrator of globex, honest and with acme's name in the tenant header."""
    before = sorted(map(str, cloud.items()))
    for intruder, headers in itertools.product(INTRUDERS, ({}, {"X-Tenant-Id": "acme"})):
        for operation in WALKED:
            path, body = objects.path(operation), body_of(operation)
            answer = call.call_as(intruder, operation.method, path, body, headers)
            where = (operation.name, intruder.role, headers)
            if operation.is_listing:
                assert (answer.status, answer.json) == (200, {"items": [], "next": None}), where
            else:
                assert (answer.status, answer.code) == (404, "not_found"), where
    assert sorted(map(str, cloud.items())) == before


def test_foreign_object_answers_exactly_as_a_missing_one(call: Api, objects: Objects) -> None:
    """acme's objects, asked for by globex, and the same below a project that nobody has."""
    headers = {"X-Correlation-Id": "same"}
    for operation in WALKED:
        path, body = objects.path(operation), body_of(operation)

        foreign, missing = (
            call.call_as(Person("globex"), operation.method, asked, body, headers)
            for asked in (path, path.replace("vision", "nope"))
        )

        assert foreign.status == missing.status, operation.name
        assert foreign.headers == missing.headers, operation.name
        assert foreign.body.replace("vision", "nope") == missing.body, operation.name


def test_lists_without_a_project_show_nothing_of_another_tenant(
    call: Api, objects: Objects
) -> None:
    lists = [o for o in operations() if o.name in ("GET /projects", "GET /rejected-uploads")]
    assert all(operation.is_listing for operation in lists)
    for operation in lists:
        assert call(operation.method, operation.path).json["items"]
        for headers in ({}, {"X-Tenant-Id": "acme"}):
            answer = call(operation.method, operation.path, tenant="globex", headers=headers)
            assert answer.json == {"items": [], "next": None}, operation.name


def test_forged_tenant_header_creates_in_the_callers_own_tenant(call: Api, cloud: Cloud) -> None:
    forged = {"X-Tenant-Id": "acme"}

    assert (
        call("POST", "/projects", {"name": "mine"}, tenant="globex", headers=forged).status == 201
    )

    assert cloud.item("TENANT#globex", "PROJECT#mine")
    assert not cloud.item("TENANT#acme", "PROJECT#mine")
    assert call("GET", "/me", tenant="globex", headers=forged).json["tenant"]["tenant"] == "globex"


def test_same_names_in_two_tenants_are_two_things(call: Api, cloud: Cloud, acme: Scenario) -> None:
    globex = Scenario(call, cloud, tenant="globex")
    globex.create_project()
    acme.upload_version(content=b"ours")

    theirs = globex.upload_version(content=b"theirs too")

    assert theirs == 1
    path = "/projects/vision/models/digits/versions/1"
    assert call("GET", path).json["size"] == len(b"ours")
    assert call("GET", path, tenant="globex").json["size"] == len(b"theirs too")
    assert call("DELETE", path, tenant="globex").status == 204
    assert call("GET", path).status == 200
