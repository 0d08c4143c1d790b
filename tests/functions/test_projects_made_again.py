"""A project, a model or a deployment that is made again under an old name begins as if there had been none."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.runtime.wiring.tables import use_platform
from controlplane.serving.deployment_events import DeploymentDeleted
from local.bench.wire import Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.examples import PUBLIC_KEY
from tests.functions.samples import Json
from tests.functions.scenario import FILES, Scenario, manifest_of
from tests.functions.test_signing_keys import ADMIN, KEYS, SIGNER, clearance, signed, trust, upload

PROJECT = "/projects/vision"
REGISTRY_POLICY, SERVING_POLICY = f"{PROJECT}/registry-policy", f"{PROJECT}/serving-policy"
MODEL, VERSIONS = f"{PROJECT}/models/digits", f"{PROJECT}/models/digits/versions"
STRICT = {"approval_required": True, "signature_required": True}


def put(call: Api, path: str, body: Json) -> Any:
    return call("PUT", path, body, role=ADMIN)


def make_again(call: Api) -> None:
    gone = call("DELETE", PROJECT)
    assert gone.status == 204, gone.body
    assert call("POST", "/projects", {"name": "vision"}).status == 201


def before_the_transaction(wire: Wire, do: Callable[[], object]) -> None:
    """What another caller does between a request's read and its write."""

    def meanwhile(sent: object) -> None:
        if getattr(sent, "action", "") == "TransactWriteItems":
            wire.before = None
            do()

    wire.before = meanwhile


def test_a_project_that_trusts_keys_stays_until_they_are_revoked(call: Api, acme: Scenario) -> None:
    """By whom only those who approve can do it: a developer cannot lift what they have set."""
    trust(call, "release")
    trust(call, "nightly", Ed25519PrivateKey.generate())

    refused = call("DELETE", PROJECT)
    assert (refused.status, refused.code) == (409, "in_use")
    assert "2 signing keys" in refused.json["detail"]
    assert "revoke" in refused.json["remedy"]

    for left, name in ((1, "release"), (0, "nightly")):
        assert call("DELETE", f"{KEYS}/{name}", role=ADMIN).status == 200
        assert call("DELETE", f"{KEYS}/{name}", role=ADMIN).status == 200, "twice counts once"
        again = call("DELETE", PROJECT)
        assert again.status == (409 if left else 204), again.body


def test_a_project_whose_policy_asks_for_something_stays_until_it_does_not(
    call: Api, acme: Scenario
) -> None:
    assert put(call, REGISTRY_POLICY, {"approval_required": True}).status == 200

    refused = call("DELETE", PROJECT)
    assert (refused.status, refused.code) == (409, "in_use")
    assert "registry policy" in refused.json["detail"]
    assert call("PUT", REGISTRY_POLICY, {}).status == 403

    assert put(call, REGISTRY_POLICY, {}).status == 200
    assert call("DELETE", PROJECT).status == 204


def test_a_project_made_again_has_no_policy_and_no_key(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    untouched = {path: call("GET", path) for path in (REGISTRY_POLICY, SERVING_POLICY)}
    for rules in (STRICT, {}):
        assert put(call, REGISTRY_POLICY, rules).status == 200
    assert put(call, SERVING_POLICY, {"auto_deploy": False}).status == 200
    trust(call)
    assert call("DELETE", f"{KEYS}/release", role=ADMIN).status == 200

    make_again(call)

    for path, before in untouched.items():
        found = call("GET", path)
        assert (found.json, found.etag) == (before.json, before.etag), path
    assert call("GET", KEYS).json["items"] == []
    assert call("GET", f"{KEYS}/release").status == 404
    for item in cloud.items():
        if item["pk"] == acme.partition:
            assert "expires_at" in item or item["sk"] == "REVOKEDSIGNINGKEYS", item
    for path, rules in ((REGISTRY_POLICY, STRICT), (SERVING_POLICY, {"auto_deploy": False})):
        assert put(call, path, rules).etag == '"1"', "what it was set to can be set anew"


def test_what_an_old_key_signed_is_refused_and_its_name_is_free(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    trust(call)
    assert call("DELETE", f"{KEYS}/release", role=ADMIN).status == 200
    make_again(call)
    assert upload(acme, signed(manifest_of(FILES)))["state"] == "Rejected"

    another = Ed25519PrivateKey.generate()
    trust(call, "release", another)
    assert upload(acme, signed(manifest_of(FILES)))["state"] == "Rejected"
    assert upload(acme, signed(manifest_of(FILES), another))["state"] == "Registered"

    [gate] = clearance(call, signature_required=True)
    revoked = gate.get("code") == "SignatureRevoked"
    assert not revoked, "the name was revoked in the project before, which is another"
    assert call("DELETE", f"{KEYS}/release", role=ADMIN).status == 200
    [gate] = clearance(call)
    assert gate["code"] == "SignatureRevoked"
    assert "expires_at" not in cloud.item(acme.partition, "REVOKEDSIGNINGKEYS")


def test_more_revoked_keys_than_a_transaction_holds_go_as_well(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    trust(call)
    assert call("DELETE", f"{KEYS}/release", role=ADMIN).status == 200
    revoked = cloud.item(acme.partition, "SIGNINGKEY#release")
    names = {f"key-{number}" for number in range(200)}
    key = {name: value for name, value in revoked.items() if name not in ("pk", "sk", "event")}
    for name in names:
        cloud.put(acme.partition, f"SIGNINGKEY#{name}", **key | {"name": name})
    cloud.put(acme.partition, "REVOKEDSIGNINGKEYS", names=names | {"release"})

    make_again(call)

    left = [item for item in cloud.items() if item["sk"].startswith("SIGNINGKEY#")]
    assert len(left) == 201
    assert all("deleted_at" in item for item in left)
    assert trust(call, "key-199")["status"] == "Active"


SETTERS: dict[str, tuple[str, str, Json]] = {
    "registry policy": ("PUT", REGISTRY_POLICY, STRICT),
    "serving policy": ("PUT", SERVING_POLICY, {"auto_deploy": False}),
    "signing key": ("POST", KEYS, {"name": "late", "public_key": PUBLIC_KEY}),
}


@pytest.mark.parametrize("what", ["registry policy", "signing key"])
def test_what_is_set_while_its_project_is_deleted_keeps_it(
    call: Api, acme: Scenario, wire: Wire, what: str
) -> None:
    made: list[int] = []
    before_the_transaction(wire, lambda: made.append(call(*SETTERS[what], role=ADMIN).status))

    assert call("DELETE", PROJECT).status == 409
    assert made in ([200], [201])
    assert call("GET", PROJECT).status == 200


@pytest.mark.parametrize("what", SETTERS)
def test_what_is_set_when_its_project_has_just_gone_is_refused(
    call: Api, acme: Scenario, wire: Wire, what: str
) -> None:
    before_the_transaction(wire, lambda: call("DELETE", PROJECT))

    assert call(*SETTERS[what], role=ADMIN).status in (404, 409)
    assert call("GET", PROJECT).status == 404
    assert call("POST", "/projects", {"name": "vision"}).status == 201
    assert call("GET", KEYS).json["items"] == []
    assert call("GET", REGISTRY_POLICY).etag == call("GET", SERVING_POLICY).etag == '"0"'


def test_an_upload_that_was_opened_in_the_project_before_is_refused(
    call: Api, acme: Scenario
) -> None:
    key = acme.send_all(acme.open_upload())
    make_again(call)

    assert acme.register(acme.arrival(key))["state"] == "Rejected"

    [found] = call("GET", f"{MODEL}/uploads").json["items"]
    assert found["reason"]["code"] == "ProjectReplaced"
    assert found["reason"]["remedy"]
    assert call("GET", PROJECT).json["model_versions"] == 0
    acme.open_upload()
    assert acme.upload_version() == 1


def checked_signed_upload(call: Api, acme: Scenario) -> Json:
    """What the registration's last task is given: signed by a key that is revoked by now, and copied."""
    trust(call)
    opened = acme.call("POST", f"{MODEL}/uploads", signed(manifest_of(FILES), SIGNER)).json
    arrival = acme.arrival(acme.send_all(opened))
    checked: Json = invoke("registry/check_upload", arrival)
    assert checked["state"] == "Copying"
    carried = {name: checked[name] for name in ("correlation_id", "reference")}
    copies = [acme.copy(carried, file) for file in checked["files"]]
    assert call("DELETE", f"{KEYS}/release", role=ADMIN).status == 200
    return carried | {"copies": copies, "execution": arrival["execution"]}


@pytest.mark.parametrize("at", ["before its last task", "within its last task"])
def test_a_registration_that_is_under_way_ends_with_its_project(
    call: Api, acme: Scenario, cloud: Cloud, wire: Wire, at: str
) -> None:
    """Else the next project would have a version that bears the signature of a key it never trusted."""
    given = checked_signed_upload(call, acme)
    if at == "before its last task":
        make_again(call)
    else:
        before_the_transaction(wire, lambda: make_again(call))

    assert invoke("registry/register_version", given)["state"] == "Rejected"

    [found] = call("GET", f"{MODEL}/uploads").json["items"]
    known_before = at == "before its last task"
    assert found["reason"]["code"] == ("ProjectReplaced" if known_before else "UnknownProject")
    assert call("GET", PROJECT).json["model_versions"] == 0
    assert cloud.keys("registry/") == []


def test_a_model_made_again_keeps_its_numbers_and_nothing_else(call: Api, acme: Scenario) -> None:
    """Numbers go on: files of a version that was deleted may still be on their way out."""
    first = acme.upload_with({"dataset_digest": "d1"})
    created_at = call("GET", MODEL).json["created_at"]
    assert call("PATCH", MODEL, {"tags": {"team": "vision"}}).status == 200
    assert call("PUT", f"{VERSIONS}/{first}/card", {"text": "Ours."}).status == 200
    assert put(call, f"{MODEL}/aliases/champion", {"version": first}).status == 200
    assert call("DELETE", f"{MODEL}/aliases/champion", role=ADMIN).status == 204
    assert call("DELETE", f"{VERSIONS}/{first}").status == 204
    make_again(call)

    second = acme.upload_version()

    assert second == first + 1
    found = call("GET", MODEL).json
    assert found["tags"] == {}
    assert found["created_at"] > created_at
    assert call("GET", f"{MODEL}/aliases").json["aliases"] == []
    assert [v["version"] for v in call("GET", VERSIONS).json["items"]] == [second]
    version = call("GET", f"{VERSIONS}/{second}").json
    assert version["approval"]["state"] == "Pending"
    assert "Ours." not in call("GET", f"{VERSIONS}/{second}/card").body
    assert call("GET", f"{PROJECT}/lineage").json["items"] == []


def test_a_deployment_made_again_serves_nothing_and_has_no_settings(
    call: Api, acme: Scenario
) -> None:
    """What was rolled out to the one before stays readable: it is evidence."""
    path = f"{PROJECT}/deployments"
    wanted = {"name": "digits", "model": "digits"}
    fresh = call("POST", path, wanted).json
    settings = call("GET", f"{path}/digits/settings").json
    changed = {"autoscaling": {"min_replicas": 1, "max_replicas": 3}}
    assert call("PUT", f"{path}/digits/settings", changed).status == 200
    use_platform()
    repository = deployment_repository()
    gone = DeploymentDeleted(tenant_id="acme", project="vision", deployment="digits")
    repository.remove("acme", "vision", repository.get("acme", "vision", "digits"), gone)

    made = call("POST", path, wanted)

    assert made.status == 201
    differs = {"created_at"}
    assert {k: v for k, v in made.json.items() if k not in differs} == {
        k: v for k, v in fresh.items() if k not in differs
    }
    assert call("GET", f"{path}/digits/settings").json == settings
