"""What a rollout by `spec.canary` must not fall into. `docs/kserve-traps.md` lists all traps."""

import json
from typing import Any

import pytest

from controlplane.adapters.cluster_facts import ClusterFacts
from controlplane.adapters.kserve_survey import survey_of
from controlplane.adapters.rollout_changes import MARKS
from controlplane.adapters.rollout_spec_canary import NOT_A_CANARYS
from controlplane.errors import ClusterRefusedError
from controlplane.serving.cluster_ports import Traffic
from controlplane.serving.load_failures import remedy_for
from controlplane.serving.ports import RevisionState
from tests.scripted_cluster.kserve import SERVICES, Release
from tests.scripted_cluster.objects import MERGE, RefusedError
from tests.scripted_cluster.trap_scenes import (
    PLANS,
    SPEC_CANARY,
    at_least,
    only,
    prepared,
    serving,
    set_available,
)
from tests.scripted_cluster.workloads import DEPLOYMENTS
from tests.scripted_cluster.world import GATEWAY, NAME, REPLICAS, transition, uri


def test_trap_spec_canary_needs_the_annotation_exactly_standard() -> None:
    with serving(SPEC_CANARY) as world:
        for mode in ("RawDeployment", None):
            annotations = {"serving.kserve.io/deploymentMode": mode}
            change = {"metadata": {"annotations": annotations}}
            world.cluster.objects.write(SERVICES + NAME, MERGE, change)
            with pytest.raises(ClusterRefusedError, match="Standard"):
                world.rollouts.prepare(world.next())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": None}, "names"),
        ({"name": "v1"}, "names"),
        ({"minReplicas": 99}, "minReplicas"),
        *(({field: 9}, field) for field in sorted(NOT_A_CANARYS)),
    ],
)
def test_trap_what_the_webhook_refuses_of_a_canary_is_not_written(
    change: dict[str, Any], word: str
) -> None:
    """The rules are kept by the scripted webhook, which takes what we write and refuses each of these."""
    with serving(SPEC_CANARY) as world:
        prepared(world)
        entry = json.loads(json.dumps(world.service()["spec"]["canary"][0]))
        assert not NOT_A_CANARYS & set(entry["predictor"])
        entry["predictor"] = {
            k: v for k, v in {**entry["predictor"], **change}.items() if v is not None
        }
        with pytest.raises(RefusedError, match=word):
            world.cluster.objects.write(SERVICES + NAME, MERGE, {"spec": {"canary": [entry]}})


def test_trap_a_canarys_model_needs_the_name_that_a_predictors_does_not() -> None:
    """By the definition's schema: an object that is right in `predictor` is refused in `canary`."""
    with serving(SPEC_CANARY) as world:
        prepared(world)
        entry = json.loads(json.dumps(world.service()["spec"]["canary"][0]))
        assert entry["predictor"]["model"].pop("name") == "kserve-container"
        with pytest.raises(RefusedError, match="required"):
            world.cluster.objects.write(SERVICES + NAME, MERGE, {"spec": {"canary": [entry]}})


def test_trap_the_canary_list_is_atomic_and_is_written_whole() -> None:
    """A merge patch of a part would leave an entry with nothing but that part."""
    wanted = transition(2, SPEC_CANARY, stable=1)
    for change in (*PLANS.prepare(wanted), *PLANS.roll_back(wanted)):
        for entry in change.body["spec"].get("canary", []):
            assert set(entry) == {"trafficPercent", "predictor"}
            assert {"name", "minReplicas", "model"} <= set(entry["predictor"])
    (step,) = PLANS.shift(wanted, Traffic(10))
    assert step.verb == "json-patch"
    assert [each["op"] for each in step.body].count("test") == 4


def test_trap_a_canary_takes_its_replicas_off_the_stable_predictor() -> None:
    """Seen first: a canary of 3 leaves a stable predictor of 3 with 1. Then that ours keeps all of them."""
    with serving(SPEC_CANARY) as world:
        entry = PLANS.prepare(world.next())[1].body
        world.cluster.objects.write(SERVICES + NAME, MERGE, entry)
        world.cluster.settle()
        assert world.pods(1) == 1

    with serving(SPEC_CANARY) as world:
        wanted = world.next()
        world.rollouts.prepare(wanted)
        world.steps(6, lambda: at_least(world, 1))
        assert (world.pods(1), world.pods(2)) == (REPLICAS, REPLICAS)


def test_trap_preparing_twice_does_not_double_the_stable_predictor() -> None:
    """It asks for more than it is to have, so its present size is no measure any more."""
    with serving(SPEC_CANARY) as world:
        for _ in range(3):
            world.rollouts.prepare(world.next())
            world.cluster.step()
        world.cluster.settle()
        assert world.service()["spec"]["predictor"]["minReplicas"] == 2 * REPLICAS


def test_trap_at_zero_percent_there_are_no_pods_unless_replicas_are_said() -> None:
    with serving(SPEC_CANARY) as world:
        prepared(world)
        assert world.pods(2) == REPLICAS
        entry = json.loads(json.dumps(world.service()["spec"]["canary"][0]))
        del entry["predictor"]["minReplicas"]
        world.cluster.objects.write(SERVICES + NAME, MERGE, {"spec": {"canary": [entry]}})
        world.cluster.settle()
        assert world.pods(2) == 0


def test_trap_one_pod_of_a_canary_is_enough_for_its_whole_share() -> None:
    """KServe calls it ready then; we wait for all of them."""
    with serving(SPEC_CANARY) as world:
        wanted = prepared(world)
        set_available(world, f"{NAME}-v2-predictor", 1)
        assert world.service()["status"]["canaryStatuses"][0]["ready"]

        seen = world.observe(wanted)

        assert (seen.canary.state, seen.canary_replicas) == (RevisionState.PROGRESSING, 1)


def test_trap_a_canary_that_stays_unready_is_silently_at_zero() -> None:
    with serving(SPEC_CANARY, Release(never_ready={uri(2)})) as world:
        wanted = prepared(world)
        world.shift(wanted, 50)
        world.cluster.settle()
        assert world.traffic() == {uri(1): 100}

        seen = world.observe(wanted)

        assert seen.canary.state is RevisionState.PROGRESSING
        assert (seen.settled, seen.canary_percent) == (False, None)


def test_trap_a_release_without_weights_is_seen_and_not_believed_from_its_version() -> None:
    """0.20.0 has the field, the pods and the status, and writes no weights."""
    with serving(SPEC_CANARY, Release(writes_weights=False)) as world:
        wanted = prepared(world)
        assert world.observe(wanted).canary.state is RevisionState.READY
        world.shift(wanted, 10)
        world.cluster.settle()

        seen = world.observe(wanted)

        assert (seen.canary.state, seen.canary.reason) == (RevisionState.FAILED, "WeightsMissing")
        assert "0.20.0" in remedy_for("WeightsMissing")
        assert world.traffic() == {uri(1): 100}


def test_trap_without_gateway_api_a_canary_gets_nothing() -> None:
    kinds = frozenset({"InferenceService"})
    left_out = frozenset(MARKS)
    off = ClusterFacts(kinds, has_spec_canary=True, uses_gateway_api=False, left_out=left_out)
    on = ClusterFacts(kinds, has_spec_canary=True, uses_gateway_api=True, left_out=left_out)

    refusal = survey_of(off, GATEWAY, frozenset()).refusals[SPEC_CANARY]

    assert (refusal.code, "enableGatewayApi" in str(refusal.remedy)) == ("GatewayApiOff", True)
    assert survey_of(on, GATEWAY, frozenset()).mechanisms == (SPEC_CANARY,)


def test_trap_a_promotion_under_the_canarys_name_restarts_nothing() -> None:
    with serving(SPEC_CANARY) as world:
        wanted = prepared(world)
        path = f"{DEPLOYMENTS}{NAME}-v2-predictor"
        before = world.cluster.objects.found[path]["metadata"]["uid"]

        world.rollouts.promote(wanted)
        world.steps(5, lambda: at_least(world, 2))

        assert world.cluster.objects.found[path]["metadata"]["uid"] == before
        assert world.traffic() == {uri(2): 100}


def test_trap_after_a_spec_canary_promotion_there_is_no_instant_rollback() -> None:
    """The stable predictor's pods go at once as orphans. It is refused, and not done at the users' cost."""
    with serving(SPEC_CANARY) as world:
        wanted = prepared(world)
        world.rollouts.promote(wanted)
        world.cluster.settle()
        assert world.pods(1) == 0

        with pytest.raises(ClusterRefusedError):
            world.rollouts.roll_back(wanted)
        world.steps(4, lambda: only(world, 2))

        back = transition(3, SPEC_CANARY, stable=2)
        world.rollouts.prepare(back)
        world.steps(5, lambda: at_least(world, 2))
