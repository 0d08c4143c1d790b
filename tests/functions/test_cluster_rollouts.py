"""A rollout behind our own route in the embedded cluster: what is written, what is seen, and what is refused."""

from dataclasses import replace
from itertools import count

import pytest

from controlplane.adapters.kserve_survey import KServeSurvey
from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from controlplane.adapters.kubernetes_revisions import KubernetesRevisions
from controlplane.adapters.kubernetes_rollouts import KubernetesRollouts
from controlplane.adapters.rollout_observers import observers
from controlplane.errors import ConcurrentChangeError
from controlplane.limits import Isolation
from controlplane.serving.cluster_ports import Mechanism, Traffic, TrafficMark, Transition
from controlplane.serving.ports import RevisionState
from controlplane.serving.runtimes import CATALOG
from controlplane.serving.settings import (
    Autoscaling,
    DeploymentSettings,
    HeaderRule,
    Resources,
    ScaleMetric,
)
from tests.functions.cluster import ROUTES, Cluster, accounts_of, tenants_of
from tests.functions.cluster_objects import revision
from tests.functions.samples import Json
from tests.local.kubernetes_api.running_server import MERGE, RunningServer

GATEWAY = ("headrace-system", "headrace")
STABLE, CANARY = "vision--digits--v1", "vision--digits--v2"
ALL_STABLE = {f"{STABLE}-predictor": 100, f"{CANARY}-predictor": 0}
_numbers = count(1)


@pytest.fixture
def cluster(server: RunningServer) -> Cluster:
    made = Cluster(server, f"rollout{next(_numbers)}")
    made.onboard()
    return made


@pytest.fixture
def rollouts(server: RunningServer) -> KubernetesRollouts:
    access = accounts_of(server.kubeconfig).serving
    api = KubernetesApi(
        ClusterAccess(access.server, access.certificate_authority, lambda _fresh: access.token)
    )
    survey = KServeSurvey(api, GATEWAY, "kserve")
    return KubernetesRollouts(api, GATEWAY, observers(GATEWAY), survey)


@pytest.fixture
def transition(cluster: Cluster) -> Transition:
    return Transition(
        tenant_id=cluster.tenant,
        project="vision",
        deployment="digits",
        rollout_id="r-00000002",
        mechanism=Mechanism.ROUTE,
        canary=revision(cluster.tenant, 2),
        stable=revision(cluster.tenant, 1),
        began="2026-01-01T00:02:00Z",
    )


@pytest.fixture
def serving(cluster: Cluster, rollouts: KubernetesRollouts, transition: Transition) -> Cluster:
    """Version 1 serves alone."""
    first = replace(
        transition,
        rollout_id="r-00000001",
        canary=revision(cluster.tenant, 1),
        stable=None,
        began="2026-01-01T00:01:00Z",
    )
    rollouts.prepare(first)
    become_ready(cluster, STABLE)
    rollouts.promote(first)
    accept(cluster)
    return cluster


def become_ready(cluster: Cluster, name: str) -> None:
    cluster.create_predictor(name)
    cluster.roll_out_predictor(name)
    cluster.set_endpoint(name, ready=True)


def route(cluster: Cluster) -> Json:
    return cluster.find(ROUTES, "vision--digits")


def accept(cluster: Cluster, **changes: object) -> None:
    """What the gateway writes when it serves the route as it is."""
    generation = route(cluster)["metadata"]["generation"]
    conditions = [
        {
            "type": kind,
            "status": "True",
            "observedGeneration": generation,
            "reason": kind,
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        | changes
        for kind in ("Accepted", "ResolvedRefs")
    ]
    parent = {
        "parentRef": {"namespace": GATEWAY[0], "name": GATEWAY[1]},
        "controllerName": "example.com/gateway",
        "conditions": conditions,
    }
    path = f"{ROUTES.format(cluster.namespace)}/vision--digits/status"
    changed = cluster.server.call("PATCH", path, {"status": {"parents": [parent]}}, media=MERGE)
    assert changed.code == 200, changed.body


def test_a_canary_goes_up_in_steps_and_takes_over(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    rollouts.prepare(transition)
    seen = rollouts.observe(transition)
    assert (seen.canary.state, seen.canary_percent) == (RevisionState.PROGRESSING, 0)
    assert seen.stable is not None
    assert (seen.stable.state, seen.stable_percent) == (RevisionState.READY, 100)
    become_ready(serving, CANARY)
    for percent in (10, 50):
        rollouts.shift(transition, Traffic(percent))
        unsettled = rollouts.observe(transition)
        assert (unsettled.settled, unsettled.canary_percent) == (False, None)
        accept(serving)
        seen = rollouts.observe(transition)
        assert (seen.settled, seen.canary_percent, seen.stable_percent) == (
            True,
            percent,
            100 - percent,
        )
    rollouts.promote(transition)
    accept(serving)
    seen = rollouts.observe(transition)
    assert (seen.canary_percent, seen.stable_percent, seen.canary_replicas) == (100, 0, 1)
    assert rollouts.finish(transition, promoted=True)
    assert serving.weights("vision--digits") == {f"{CANARY}-predictor": 100}
    assert serving.service(STABLE)


def test_a_rollback_is_one_write_after_which_nothing_late_brings_the_canary_back(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    rollouts.prepare(transition)
    become_ready(serving, CANARY)
    rollouts.shift(transition, Traffic(50))
    generation = route(serving)["metadata"]["generation"]

    (change,) = rollouts.roll_back(transition)

    assert change.verb == "apply"
    assert serving.weights("vision--digits") == ALL_STABLE
    assert route(serving)["metadata"]["generation"] == generation + 1
    with pytest.raises(ConcurrentChangeError, match="RolledBack"):
        rollouts.shift(transition, Traffic(50))
    with pytest.raises(ConcurrentChangeError, match="RolledBack"):
        rollouts.promote(transition)
    rollouts.roll_back(transition)
    assert serving.weights("vision--digits") == ALL_STABLE


def test_a_promotion_can_be_repeated_and_rolled_back_but_not_turned_into_a_step(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    rollouts.prepare(transition)
    rollouts.promote(transition)
    rollouts.promote(transition)
    with pytest.raises(ConcurrentChangeError):
        rollouts.shift(transition, Traffic(10))
    assert serving.weights("vision--digits") == {
        f"{STABLE}-predictor": 0,
        f"{CANARY}-predictor": 100,
    }

    rollouts.roll_back(transition)

    assert serving.weights("vision--digits") == ALL_STABLE


def test_a_step_decided_on_another_state_of_the_route_is_refused(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    """Somebody turns the traffic away between our look and our write."""
    rollouts.shift(transition, Traffic(10))
    api = rollouts._api.as_deployer(transition.tenant_id)
    changes = rollouts._compiler(transition).shift(transition, Traffic(50))
    (tied,) = rollouts._observers[Mechanism.ROUTE].guard(api, transition, changes)
    path = f"{ROUTES.format(serving.namespace)}/vision--digits"
    by_hand = {"metadata": {"annotations": {"touched": "yes"}}}
    assert serving.server.call("PATCH", path, by_hand, media=MERGE).code == 200

    with pytest.raises(ConcurrentChangeError):
        api.apply(tied.path, tied.body)


def test_a_patch_whose_test_does_not_hold_is_a_change_by_somebody_else(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    """An API server answers it by 422, and an object that is invalid as well, with causes."""
    api = rollouts._api.as_deployer(serving.tenant)
    path = f"{ROUTES.format(serving.namespace)}/vision--digits".lstrip("/")
    weight = "/spec/rules/0/backendRefs/0/weight"
    replaced = {"op": "replace", "path": weight, "value": 90}

    api.patch(path, [{"op": "test", "path": weight, "value": 100}, replaced])
    with pytest.raises(ConcurrentChangeError):
        api.patch(path, [{"op": "test", "path": weight, "value": 100}, replaced])
    with pytest.raises(ConcurrentChangeError):
        api.patch(f"{path}-gone", [replaced])

    assert serving.weights("vision--digits") == {f"{STABLE}-predictor": 90}


def test_exceptions_by_header_copies_and_probes_go_with_the_traffic(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    rules = (
        HeaderRule(header="x-group", value="b"),
        HeaderRule(header="x-group", value="a", to="Stable"),
    )
    with_headers = replace(transition, headers=rules)
    rollouts.prepare(with_headers)

    rollouts.shift(with_headers, Traffic(0, mirror_percent=25, probes=True))

    rest, *exceptions = route(serving)["spec"]["rules"]
    assert [
        (rule["matches"][0]["headers"][0]["value"], [b["name"] for b in rule["backendRefs"]])
        for rule in exceptions
    ] == [
        ("b", [f"{CANARY}-predictor"]),
        ("a", [f"{STABLE}-predictor"]),
        ("canary", [f"{CANARY}-predictor"]),
        ("stable", [f"{STABLE}-predictor"]),
    ]
    assert all(len(rule["matches"]) == 1 for rule in (*exceptions, rest))
    assert {b["name"]: b["weight"] for b in rest["backendRefs"]} == ALL_STABLE
    (mirror,) = [f["requestMirror"] for f in rest["filters"] if f["type"] == "RequestMirror"]
    assert (mirror["backendRef"]["name"], mirror["percent"]) == (f"{CANARY}-predictor", 25)
    accept(serving)
    assert rollouts.observe(with_headers).stable_percent == 100

    rollouts.roll_back(with_headers)

    (only,) = route(serving)["spec"]["rules"]
    assert [f["type"] for f in only["filters"]] == ["URLRewrite"]


def test_the_stable_revision_is_held_at_its_present_size_and_the_canary_comes_up_at_it(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    """An autoscaler would take the pods away whose requests the canary answers, and a rollback needs them."""
    wide = transition.canary.settings.model_copy(
        update={
            "autoscaling": transition.canary.settings.autoscaling.model_copy(
                update={"max_replicas": 8}
            )
        }
    )
    assert transition.stable is not None
    scaled = replace(
        transition,
        canary=replace(transition.canary, settings=wide),
        stable=replace(transition.stable, settings=wide),
    )
    path = f"/apis/apps/v1/namespaces/{serving.namespace}/deployments/{STABLE}-predictor"
    serving.server.call("PATCH", path, {"spec": {"replicas": 5}}, media=MERGE)

    held, _ = rollouts.prepare(scaled)

    assert held.path.endswith(STABLE)
    assert [_size(serving, name) for name in (STABLE, CANARY)] == [(5, 8), (5, 8)]
    rollouts.prepare(scaled)
    rollouts.roll_back(scaled)
    rollouts.finish(scaled, promoted=False)
    assert [_size(serving, name) for name in (STABLE, CANARY)] == [(1, 8), (5, 8)]
    # Once more, when the next rollout has begun to move the traffic: it touches nothing.
    rollouts.shift(
        replace(scaled, rollout_id="r-00000000", began="2026-01-01T00:03:00Z"), Traffic(10)
    )
    assert rollouts.finish(scaled, promoted=False) == []


@pytest.mark.parametrize("rollout_id", ["r-00000000", "r-ffffffff"])
def test_what_was_held_is_released_by_a_rollout_that_never_wrote_the_route(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition, rollout_id: str
) -> None:
    """The route has the mark of the one before, and which identifier is greater says nothing."""
    wanted = replace(transition, rollout_id=rollout_id)
    path = f"/apis/apps/v1/namespaces/{serving.namespace}/deployments/{STABLE}-predictor"
    serving.server.call("PATCH", path, {"spec": {"replicas": 5}}, media=MERGE)
    rollouts.prepare(wanted)
    assert _size(serving, STABLE)[0] == 5

    rollouts.finish(wanted, promoted=False)

    assert _size(serving, STABLE)[0] == 1
    assert serving.weights("vision--digits") == {f"{STABLE}-predictor": 100}


def test_an_end_that_is_overtaken_between_its_look_and_its_write_is_refused(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    rollouts.roll_back(transition)
    api = rollouts._api.as_deployer(transition.tenant_id)
    observer = rollouts._observers[Mechanism.ROUTE]
    changes = rollouts._compiler(transition).finish(transition, promoted=False)
    tied, _ = observer.guard_end(api, transition, changes)
    newer = replace(transition, rollout_id="r-00000000", began="2026-01-01T00:03:00Z")
    rollouts.shift(newer, Traffic(10))

    with pytest.raises(ConcurrentChangeError):
        api.apply(tied.path, tied.body)


def test_what_a_rollout_did_last_is_read_off_the_route(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    assert serving.weights("vision--digits") == {f"{STABLE}-predictor": 100}
    assert rollouts.observe(transition).mark is TrafficMark.NONE
    rollouts.shift(transition, Traffic(10))
    assert rollouts.observe(transition).mark is TrafficMark.SHIFTING
    rollouts.promote(transition)
    assert rollouts.observe(transition).mark is TrafficMark.PROMOTED
    rollouts.roll_back(transition)
    assert rollouts.observe(transition).mark is TrafficMark.ROLLED_BACK


def test_an_in_place_rollout_is_undone_with_the_settings_of_before(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    before = serving.service(STABLE)["spec"]
    in_place = replace(transition, canary=revision(serving.tenant, 1), stable=None)
    large = in_place.canary.settings.model_copy(update={"resources": Resources(memory="9Gi")})
    rollouts.prepare(replace(in_place, canary=replace(in_place.canary, settings=large)))
    assert serving.service(STABLE)["spec"] != before

    rollouts.restore(in_place)

    assert serving.service(STABLE)["spec"] == before
    assert serving.weights("vision--digits") == {f"{STABLE}-predictor": 100}


def _size(cluster: Cluster, name: str) -> tuple[int, int]:
    predictor = cluster.service(name)["spec"]["predictor"]
    return predictor["minReplicas"], predictor["maxReplicas"]


def test_the_survey_finds_what_the_cluster_has(
    cluster: Cluster, rollouts: KubernetesRollouts
) -> None:
    found = rollouts.survey(cluster.tenant)

    assert found.mechanisms == (Mechanism.ROUTE,)
    assert {mechanism: reason.code for mechanism, reason in found.refusals.items()} == {
        Mechanism.KNATIVE: "KnativeMissing",
        Mechanism.SPEC_CANARY: "SpecCanaryMissing",
        Mechanism.GROUP: "LLMInferenceServiceMissing",
    }
    assert all(reason.remedy for reason in found.refusals.values())
    assert "kserve-sklearnserver" in found.runtimes


def test_nothing_stands_against_a_canary_that_fits(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    assert list(rollouts.find_obstacles(transition)) == []
    rollouts.prepare(transition)
    assert list(rollouts.find_obstacles(transition)) == []


def test_what_stands_against_a_canary_is_said_all_at_once(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    settings = DeploymentSettings(
        resources=Resources(memory="4000Gi", gpus=2, gpu_type="h100"),
        autoscaling=Autoscaling(min_replicas=0, max_replicas=2, metric=ScaleMetric.RPS),
    )
    spec = replace(transition.canary, settings=settings, runtime=CATALOG["huggingface"])

    found = rollouts.find_obstacles(replace(transition, canary=spec))

    assert [reason.code for reason in found] == [
        "CannotScaleToZero",
        "ScaleMetricUnsupported",
        "RuntimeNotRecognized",
        "QuotaExceeded",
        "QuotaExceeded",
    ]
    assert all(reason.remedy for reason in found)


def test_a_quota_that_is_overdrawn_is_no_shortage_for_what_needs_nothing_of_it(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    """It was lowered below what runs, which may stay."""
    rollouts.prepare(transition)
    quotas = f"/api/v1/namespaces/{serving.namespace}/resourcequotas"
    name = serving.server.call("GET", quotas).body["items"][0]["metadata"]["name"]
    lowered = {"spec": {"hard": {"count/inferenceservices.serving.kserve.io": "1"}}}
    changed = serving.server.call("PATCH", f"{quotas}/{name}", lowered, media=MERGE)
    assert changed.code == 200, changed.body
    assert int(changed.body["status"]["used"]["count/inferenceservices.serving.kserve.io"]) > 1

    assert list(rollouts.find_obstacles(transition)) == []
    third = replace(transition, canary=revision(serving.tenant, 3))
    assert [each.code for each in rollouts.find_obstacles(third)] == ["QuotaExceeded"]


def test_the_way_back_to_a_warm_revision_waits_for_no_more_copies_than_it_has(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    """The bad version may have grown meanwhile; neither it nor the one before gets any larger for the way back."""
    rollouts.prepare(transition)
    become_ready(serving, CANARY)
    rollouts.promote(transition)
    accept(serving)
    rollouts.finish(transition, promoted=True)
    accept(serving)
    for name, replicas in ((STABLE, 2), (CANARY, 7)):
        path = f"/apis/apps/v1/namespaces/{serving.namespace}/deployments/{name}-predictor"
        size = {"spec": {"replicas": replicas}}
        assert serving.server.call("PATCH", path, size, media=MERGE).code == 200
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        serving.roll_out_predictor(name, **dict.fromkeys(counts, replicas))
    roomy = DeploymentSettings(autoscaling=Autoscaling(min_replicas=1, max_replicas=20))
    back = replace(
        transition,
        rollout_id="r-00000003",
        canary=replace(revision(serving.tenant, 1), settings=roomy),
        stable=replace(revision(serving.tenant, 2), settings=roomy),
        warm=True,
    )

    (change,) = rollouts.prepare(back)

    assert change.path.endswith("--v1")
    assert change.body["spec"]["predictor"]["minReplicas"] == 2
    assert rollouts.observe(back).canary.state is RevisionState.READY
    cold = rollouts.prepare(replace(back, warm=False))
    assert [each.body["spec"]["predictor"]["minReplicas"] for each in cold] == [7, 7]


def test_gpus_are_looked_for_among_the_nodes_that_a_tenant_may_use(
    serving: Cluster, rollouts: KubernetesRollouts, transition: Transition
) -> None:
    """The pool of shared GPU nodes is not for a tenant that has nodes of its own."""
    wanted = DeploymentSettings(resources=Resources(gpus=1, gpu_type="l4"))
    with_gpu = replace(transition, canary=replace(transition.canary, settings=wanted))

    assert "GpuTypeMissing" not in [each.code for each in rollouts.find_obstacles(with_gpu)]
    serving.onboard(Isolation.DEDICATED)
    pool = f"/apis/karpenter.sh/v1/nodepools/{serving.namespace}"
    no_gpus = {"spec": {"limits": {"nvidia.com/gpu": "0"}}}
    assert serving.server.call("PATCH", pool, no_gpus, media=MERGE).code == 200
    assert "GpuTypeMissing" in [each.code for each in rollouts.find_obstacles(with_gpu)]


def test_a_revision_is_stopped_and_started_again_and_not_while_its_tenant_is_suspended(
    serving: Cluster, rollouts: KubernetesRollouts
) -> None:
    store = KubernetesRevisions(rollouts._api, GATEWAY)

    store.set_stopped(serving.tenant, [STABLE, "vision--digits--v99"], stopped=True)
    assert _annotation(serving, "serving.kserve.io/stop") == "true"
    assert store.observe_revision(serving.tenant, STABLE).reason == "Stopped"
    store.set_stopped(serving.tenant, [STABLE], stopped=False)
    assert _annotation(serving, "serving.kserve.io/stop") == "false"

    tenants_of(serving.server).stop_serving(serving.tenant)
    store.set_stopped(serving.tenant, [STABLE], stopped=False)
    assert _annotation(serving, "serving.kserve.io/stop") == "true"
    tenants_of(serving.server).resume_serving(serving.tenant)
    assert _annotation(serving, "serving.kserve.io/stop") != "true"


def _annotation(cluster: Cluster, name: str) -> str | None:
    found: str | None = cluster.service(STABLE)["metadata"]["annotations"].get(name)
    return found
