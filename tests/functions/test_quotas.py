"""Quotas that cannot race: counted by the change itself, and compared with the truth."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controlplane.errors import HeadraceError
from controlplane.projects.model import ProjectRequest
from controlplane.projects.service import create_project
from controlplane.runtime.wiring.projects import project_repository
from controlplane.runtime.wiring.tables import use_platform
from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.container import forget_wiring
from tests.functions.samples import Json
from tests.functions.scenario import MODEL_BYTES, Scenario, promote


def limited(cloud: Cloud, **limits: int) -> None:
    """The tenant's limits, as a container sees them that remembers no others."""
    cloud.add_tenant("acme", limits=limits)
    forget_wiring()


def used(cloud: Cloud, tenant: str = "acme") -> Json:
    counted = cloud.item(f"TENANT#{tenant}", "QUOTAS")
    return {
        name: counted.get(name, 0) for name in ("projects", "models", "stored_bytes", "deployments")
    }


def reconcile(cloud: Cloud) -> Json:
    cloud.put("PLATFORM", "TENANT#acme", tenant_id="acme")
    found: Json = invoke("quotas/reconcile_quotas", {"correlation_id": "c"})
    return found


def test_a_refusal_names_limit_use_and_remedy(call: Api, cloud: Cloud) -> None:
    limited(cloud, projects=1)
    assert call("POST", "/projects", {"name": "vision"}).status == 201

    refused = call("POST", "/projects", {"name": "speech"})

    assert (refused.status, refused.code) == (422, "quota_exceeded")
    assert "allows 1 projects; 1 are in use and 1 more were asked for" in refused.json["detail"]
    assert "higher tier" in refused.json["remedy"]
    assert used(cloud)["projects"] == 1


def test_callers_at_the_same_time_never_get_more_than_there_is(cloud: Cloud) -> None:
    """The use case and its adapter, as many containers run them: a container itself serves one request at a time."""
    use_platform()
    projects = project_repository()

    def create(number: int) -> str:
        use_platform()  # each thread is a request of its own
        wanted = ProjectRequest(name=f"p{number}")
        try:
            create_project("acme", wanted, "ada", None, 4, projects=projects)
        except HeadraceError as refused:
            return refused.code
        return "created"

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(create, range(24)))

    made = [item for item in cloud.items() if item["sk"].startswith("PROJECT#")]
    assert set(answers) == {"created", "quota_exceeded"}
    assert answers.count("created") == len(made) == used(cloud)["projects"] == 4


def test_a_repeated_creation_counts_once(call: Api, cloud: Cloud) -> None:
    limited(cloud, projects=1)
    once = {"Idempotency-Key": "one"}

    first = call("POST", "/projects", {"name": "vision"}, headers=once)
    again = call("POST", "/projects", {"name": "vision"}, headers=once)

    assert (first.status, again.status) == (201, 201)
    assert used(cloud)["projects"] == 1


def test_room_comes_back_when_a_project_goes(call: Api, cloud: Cloud) -> None:
    limited(cloud, projects=1)
    call("POST", "/projects", {"name": "vision"})

    assert call("DELETE", "/projects/vision").status == 204
    assert call("POST", "/projects", {"name": "speech"}).status == 201


def test_an_upload_without_room_is_refused_before_it_is_sent(acme: Scenario, cloud: Cloud) -> None:
    limited(cloud, stored_bytes=len(MODEL_BYTES))
    acme.upload_version()

    refused = acme.call(
        "POST",
        f"{acme.path}/models/digits/uploads",
        {"format": "sklearn", "files": [{"path": "a.pkl", "size": 1, "sha256": "0" * 64}]},
    )

    assert (refused.status, refused.code) == (422, "quota_exceeded")
    assert f"allows {len(MODEL_BYTES)} bytes of model versions" in refused.json["detail"]


@pytest.mark.parametrize(
    ("limits", "model"), [({"stored_bytes": len(MODEL_BYTES)}, "digits"), ({"models": 1}, "more")]
)
def test_a_file_without_room_ends_as_rejected_and_leaves_no_copy(
    acme: Scenario, cloud: Cloud, limits: dict[str, int], model: str
) -> None:
    acme.upload_version()
    limited(cloud, **limits)
    key = f"models/acme/vision/{model}/model.joblib"
    before = (cloud.keys("registry/"), used(cloud))

    ended = acme.register(acme.arrival(key, acme.put_object(key, b"another model")))

    assert ended["state"] == "Rejected"
    (upload,) = [
        item
        for item in cloud.items()
        if item["sk"].startswith(f"UPLOAD#{model}#") and item["state"] == "Rejected"
    ]
    assert upload["reason"]["code"] == "QuotaExceeded"
    assert "higher tier" in upload["reason"]["remedy"]
    assert (cloud.keys("registry/"), used(cloud)) == before


def test_models_and_bytes_come_back_with_the_last_version(acme: Scenario, cloud: Cloud) -> None:
    for content in (b"one", b"three"):
        acme.upload_version(content=content)
    assert used(cloud) == {"projects": 1, "models": 1, "stored_bytes": 8, "deployments": 0}

    assert acme.call("DELETE", f"{acme.path}/models/digits/versions/1").status == 204
    assert used(cloud) == {"projects": 1, "models": 1, "stored_bytes": 5, "deployments": 0}
    assert acme.call("DELETE", f"{acme.path}/models/digits/versions/2").status == 204
    assert used(cloud) == {"projects": 1, "models": 0, "stored_bytes": 0, "deployments": 0}


def test_a_deployment_too_many_shows_why_and_can_be_served_later(
    acme: Scenario, cloud: Cloud
) -> None:
    acme.upload_version("digits")
    acme.upload_version("letters")
    limited(cloud, deployments=1)
    acme.serve(1, "digits")

    opened = acme.open_rollout(acme.registered_event(1, "letters"), "too-many")
    repeated = acme.open_rollout(acme.registered_event(1, "letters"), "too-many-again")

    assert (opened["action"], repeated["action"]) == ("Nothing", "Nothing")
    shown = acme.call("GET", f"{acme.path}/deployments/letters").json
    assert shown["last_rollout"]["state"] == "Failed"
    assert shown["last_rollout"]["reason"]["code"] == "QuotaExceeded"
    assert used(cloud)["deployments"] == 1
    rollouts = f"{acme.path}/deployments/letters/rollouts"
    assert acme.call("POST", rollouts, {"version": 1}).code == "quota_exceeded"

    limited(cloud, deployments=2)
    assert acme.call("POST", rollouts, {"version": 1}).status == 202
    assert used(cloud)["deployments"] == 2


def test_counts_are_the_truth_and_a_wrong_one_is_found(acme: Scenario, cloud: Cloud) -> None:
    acme.upload_version()
    acme.serve(1)
    assert reconcile(cloud) == {"findings": {"acme": "True"}, "next_after": None}

    cloud.put("TENANT#acme", "QUOTAS", projects=9, models=1, version=40)
    assert reconcile(cloud)["findings"] == {"acme": "Corrected"}

    assert used(cloud) == {
        "projects": 1,
        "models": 1,
        "stored_bytes": len(MODEL_BYTES),
        "deployments": 1,
    }
    (event,) = [e for e in cloud.stored_events() if e["metadata"]["type"] == "QuotaCorrected"]
    assert event["data"]["counted"]["projects"] == 9
    assert reconcile(cloud)["findings"] == {"acme": "True"}


def test_a_change_during_the_count_is_kept(acme: Scenario, cloud: Cloud, wire: Wire) -> None:
    cloud.put("TENANT#acme", "QUOTAS", projects=9, version=40)

    def change(call: Call) -> None:
        if call.action == "PutItem":
            wire.before = None
            cloud.put("TENANT#acme", "QUOTAS", projects=9, version=41)

    wire.before = change

    assert reconcile(cloud)["findings"] == {"acme": "Corrected"}
    assert used(cloud)["projects"] == 1
    assert cloud.item("TENANT#acme", "QUOTAS")["version"] == 42


STEPS = st.lists(
    st.sampled_from(["project", "unproject", "version", "unversion", "serve", "repeat"]),
    min_size=5,
    max_size=14,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_done_the_counts_match(acme: Scenario, cloud: Cloud, steps: list[str]) -> None:
    """Hypothesis goes on in the same table from example to example, which only makes the histories longer."""
    doing = _Doing(acme, cloud)
    for step in steps:
        getattr(doing, step)()

    assert reconcile(cloud)["findings"] == {"acme": "True"}


class _Doing:
    """Things a tenant does, some of which are refused."""

    def __init__(self, scenario: Scenario, cloud: Cloud) -> None:
        self._scenario = scenario
        self._cloud = cloud

    def project(self) -> None:
        self._call("POST", "/projects", {"name": "another"})

    def unproject(self) -> None:
        self._call("DELETE", "/projects/another")

    def version(self) -> None:
        self._scenario.upload_version()

    def unversion(self) -> None:
        for item in self._cloud.items():
            if item["sk"].startswith("VERSION#digits#") and "deleted_at" not in item:
                self._call(
                    "DELETE", f"{self._scenario.path}/models/digits/versions/{item['number']}"
                )

    def serve(self) -> None:
        latest = self._cloud.item(self._scenario.partition, "MODEL#digits")
        stored = self._cloud.item(
            self._scenario.partition, f"VERSION#digits#{latest.get('latest_version', 0):08d}"
        )
        if stored and "deleted_at" not in stored:
            event = self._scenario.registered_event(int(stored["number"]))
            opened = self._scenario.open_rollout(event, f"serve-{stored['number']}")
            if opened["action"] == "RollOut":
                promote(opened["rollout"])

    def repeat(self) -> None:
        self._call("POST", "/projects", {"name": "another"}, headers={"Idempotency-Key": "same"})

    def _call(self, method: str, path: str, body: Any = None, **options: Any) -> None:
        assert self._scenario.call(method, path, body, **options).status < 500
