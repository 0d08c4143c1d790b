"""What a rollout by `canaryTrafficPercent` must not fall into. `docs/kserve-traps.md` lists all traps."""

import json

import pytest

from controlplane.errors import ClusterRefusedError
from controlplane.serving.cluster_ports import Mechanism, Traffic
from tests.scripted_cluster.kserve import SERVICES, Release
from tests.scripted_cluster.objects import APPLY, MERGE
from tests.scripted_cluster.server import scripted_cluster
from tests.scripted_cluster.trap_scenes import (
    GROUP,
    KNATIVE,
    PLANS,
    SPEC_CANARY,
    only,
    prepared,
    serving,
)
from tests.scripted_cluster.world import NAME, World, transition, uri


def test_trap_canary_traffic_percent_on_standard_is_a_full_rollout() -> None:
    """Seen first: the field is not heeded there, and everybody meets the new model. Then that we never do it."""
    with serving(SPEC_CANARY) as world:
        careless = {
            "spec": {"predictor": {"canaryTrafficPercent": 10, "model": {"storageUri": uri(2)}}}
        }
        world.cluster.objects.write(SERVICES + NAME, MERGE, careless)
        world.cluster.settle()
        assert world.traffic() == {uri(2): 100}

    with serving(SPEC_CANARY) as world:
        wanted = transition(2, KNATIVE, stable=1)
        with pytest.raises(ClusterRefusedError, match="Standard"):
            world.rollouts.prepare(wanted)
        with pytest.raises(ClusterRefusedError, match="Standard"):
            world.rollouts.promote(wanted)
        with pytest.raises(ClusterRefusedError, match="Standard"):
            world.rollouts.shift(wanted, Traffic(10))
        world.cluster.settle()
        assert world.traffic() == {uri(1): 100}


def test_trap_no_route_of_ours_and_no_spec_canary_ever_has_a_canary_traffic_percent() -> None:
    for mechanism in (Mechanism.ROUTE, SPEC_CANARY, GROUP):
        wanted = transition(2, mechanism, stable=1)
        changes = [*PLANS.prepare(wanted), *PLANS.shift(wanted, Traffic(10))]
        changes += [*PLANS.promote(wanted), *PLANS.roll_back(wanted)]
        written = json.dumps([change.body for change in changes])
        assert "canaryTrafficPercent" not in written


def test_trap_a_first_knative_deploy_cannot_be_a_canary() -> None:
    """Without a revision that is rolled out the newest gets 100 %, whatever the percentage says."""
    with scripted_cluster() as cluster:
        world = World(cluster, KNATIVE)
        first = transition(1, KNATIVE)
        careless = PLANS.prepare(first)[0].body
        careless["spec"]["predictor"]["canaryTrafficPercent"] = 10
        cluster.objects.write(SERVICES + NAME, APPLY, careless)
        cluster.settle()
        assert world.traffic() == {uri(1): 100}

    with scripted_cluster(Release(never_ready={uri(1)})) as cluster:
        world = World(cluster, KNATIVE)
        world.rollouts.prepare(transition(1, KNATIVE))
        cluster.settle()
        with pytest.raises(ClusterRefusedError, match="no revision that is rolled out"):
            world.rollouts.prepare(world.next())
    with pytest.raises(ClusterRefusedError, match="no stable revision"):
        PLANS.shift(transition(1, KNATIVE), Traffic(10))


def test_trap_a_rolled_back_model_comes_back_with_the_next_promotion_unless_it_is_reverted() -> (
    None
):
    with serving(KNATIVE) as world:
        wanted = prepared(world)
        world.shift(wanted, 10)
        world.rollouts.roll_back(wanted)
        world.cluster.settle()
        careless = {"spec": {"predictor": {"canaryTrafficPercent": None}}}
        world.cluster.objects.write(SERVICES + NAME, MERGE, careless)
        world.cluster.settle()
        assert world.traffic() == {uri(2): 100}

    with serving(KNATIVE) as world:
        wanted = prepared(world)
        world.shift(wanted, 10)
        world.rollouts.roll_back(wanted)
        world.cluster.settle()
        world.rollouts.finish(wanted, promoted=False)
        world.steps(6, lambda: only(world, 1))
        world.cluster.objects.write(SERVICES + NAME, MERGE, careless)
        world.cluster.settle()
        assert world.traffic() == {uri(1): 100}


def test_trap_while_the_model_is_put_back_the_newest_ready_revision_is_the_bad_one() -> None:
    """So the 0 stays with it: without, the bad one had everything until the other is ready."""
    wanted = transition(2, KNATIVE, stable=1)

    (change,) = PLANS.finish(wanted, promoted=False)

    assert change.body["spec"]["predictor"]["canaryTrafficPercent"] == 0
    assert change.body["spec"]["predictor"]["model"]["storageUri"] == uri(1)
