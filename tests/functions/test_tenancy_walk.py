"""No tenant sees or touches what is another's: every operation below a project, on acme's real objects.

Every other operation, with every kind of caller, is in `test_attacks`.
"""

import dataclasses
import itertools
from typing import Any

import pytest

from tests.functions.api_calls import Api, Operation, Person, invoke, operations
from tests.functions.cloud import Cloud
from tests.functions.deployments import TOLD, put_deployments
from tests.functions.examples import PUBLIC_KEYS
from tests.functions.scenario import FILES, Scenario, manifest_of

# What a request of each operation needs besides its path; an operation that is not here sends no body.
BODIES: dict[str, Any] = {
    "POST /projects": {"name": "another"},
    "POST /projects/{project}/models/{model}/uploads": manifest_of(FILES),
    "POST /projects/{project}/deployments/{deployment}/rollouts": {"version": 1},
    "PUT /projects/{project}/registry-policy": {"gates": [{"gate": "scan_clean"}]},
    "PATCH /projects/{project}/models/{model}": {"tags": {"team": "vision"}},
    "PATCH /projects/{project}/models/{model}/versions/{version}": {"run": "run-17"},
    "PUT /projects/{project}/models/{model}/versions/{version}/card": {"text": "Digits."},
    "POST /projects/{project}/models/{model}/versions/{version}/approve": {"reason": "fine"},
    "POST /projects/{project}/models/{model}/versions/{version}/reject": {"reason": "poor"},
    "POST /projects/{project}/models/{model}/aliases": {"aliases": {"champion": 1}},
    "PUT /projects/{project}/models/{model}/aliases/{alias}": {"version": 1},
    "POST /projects/{project}/signing-keys": {"name": "another", "public_key": PUBLIC_KEYS[1]},
    "PUT /projects/{project}/serving-policy": {"auto_deploy": False},
    "POST /projects/{project}/deployments": {"name": "another", "model": "digits"},
    "PUT /projects/{project}/deployments/{deployment}/settings": {
        "autoscaling": {"min_replicas": 1, "max_replicas": 3}
    },
    "POST /projects/{project}/deployments/{deployment}/plan": {"version": 2},
}
# What has nothing to list is not there: a model has versions, and an alias its moves.
LISTS_OF_WHAT_IS_THERE = frozenset({"listVersions", "listAliasMoves"})
# They are asked for something, and need no body to say what.
WITHOUT_BODY = frozenset({
    "POST /projects/{project}/models/{model}/credentials",
    "POST /projects/{project}/deployments/{deployment}/rollback",
    "POST /projects/{project}/deployments/{deployment}/stop",
    "POST /projects/{project}/deployments/{deployment}/resume",
    *(name for name in TOLD if "/rollouts/{rollout}/" in name),
})  # fmt: skip
# A project that is not empty; a deployment whose rollout, asked for in the same walk, still waits.
REFUSED_TO_THE_OWNER = frozenset(
    {"DELETE /projects/{project}", "DELETE /projects/{project}/deployments/{deployment}"}
)
# Asked by a developer, they are refused whatever they are about.
ADMINISTRATORS_ONLY = frozenset(
    {"approveVersion", "rejectVersion", "putRegistryPolicy", "createSigningKey", "revokeSigningKey"}
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
        return operation.path.format(**self.names | TOLD.get(operation.name, {}))


@pytest.fixture
def objects(cloud: Cloud, acme: Scenario) -> Objects:
    """One of everything, made as acme makes it."""
    for content in (b"one", b"two"):
        acme.upload_with({"dataset_digest": "d1"}, content=content)
    acme.call("PUT", "/projects/vision/models/digits/aliases/staging", {"version": 1})
    served = acme.serve(1)
    invoke("serving/write_evidence", served)
    rollout = served["rollout_id"]
    upload = acme.open_upload()["upload"]["upload"]
    key = {"name": "release", "public_key": PUBLIC_KEYS[0]}
    assert (
        acme.call("POST", "/projects/vision/signing-keys", key, role="tenant-admin").status == 201
    )
    put_deployments(cloud)
    acme.register(acme.arrival("models/acme/vision/Bad/model.joblib"))
    return Objects(
        {
            "project": "vision",
            "model": "digits",
            "version": "2",
            "alias": "staging",
            "upload": upload,
            "deployment": "digits",
            "rollout": rollout,
            "signing_key": "release",
        }
    )


def body_of(operation: Operation) -> Any:
    if operation.takes_body or operation.method == "POST":
        known = operation.name in BODIES or operation.name in WITHOUT_BODY
        assert known, f"{operation.name} needs an example of its body"
    return BODIES.get(operation.name)


def test_walk_covers_the_document() -> None:
    assert len(WALKED) >= 16
    assert {"GET", "POST", "DELETE"} <= {operation.method for operation in WALKED}


def test_every_operation_works_for_the_owner(call: Api, objects: Objects) -> None:
    """Without this the walk would find 404 for the wrong reason. Deletions come last, children first."""
    order = {"GET": 0, "PUT": 1, "PATCH": 1, "POST": 1, "DELETE": 2}
    for operation in sorted(WALKED, key=lambda o: (order[o.method], -o.path.count("/"))):
        role = "tenant-admin" if operation.id in ADMINISTRATORS_ONLY else "developer"
        answer = call(operation.method, objects.path(operation), body_of(operation), role=role)
        expected = {200, 201, 202, 204}
        if operation.name in REFUSED_TO_THE_OWNER:
            expected = {409}
        assert answer.status in expected, (operation.name, answer.body)
        if operation.is_listing:
            assert answer.json["items"], f"acme has nothing that {operation.name} could show"


def test_another_tenant_finds_nothing(call: Api, cloud: Cloud, objects: Objects) -> None:
    """A developer and an administrator of globex, honest and with acme's name in the tenant header."""
    before = without_denials(cloud)
    for intruder, headers in itertools.product(INTRUDERS, ({}, {"X-Tenant-Id": "acme"})):
        for operation in WALKED:
            path, body = objects.path(operation), body_of(operation)
            answer = call.call_as(intruder, operation.method, path, body, headers)
            where = (operation.name, intruder.role, headers)
            if operation.is_listing and operation.id not in LISTS_OF_WHAT_IS_THERE:
                assert (answer.status, answer.json) == (200, {"items": [], "next": None}), where
            elif operation.id in ADMINISTRATORS_ONLY and intruder.role == "developer":
                assert (answer.status, answer.code) == (403, "policy_denied"), where
            else:
                assert (answer.status, answer.code) == (404, "not_found"), where
    assert without_denials(cloud) == before


def without_denials(cloud: Cloud) -> list[str]:
    """All items but those that tell an intruder's own tenant what it was refused."""
    found = cloud.items()
    return sorted(str(i) for i in found if i.get("event", {}).get("detail_type") != "AccessDenied")


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
