"""What a rollout within a routing group must not fall into. `docs/kserve-traps.md` lists all traps."""

import pytest

from controlplane.errors import ClusterRefusedError
from controlplane.serving.ports import RevisionState
from tests.scripted_cluster.groups import SERVICES as LLMS
from tests.scripted_cluster.objects import MERGE
from tests.scripted_cluster.trap_scenes import GROUP, PLANS, prepared, serving
from tests.scripted_cluster.world import NAME, REPLICAS, transition


def test_trap_a_group_member_begins_with_weight_one() -> None:
    """0 may cause transient failures; one part in ten thousand does not count."""
    change = PLANS.prepare(transition(2, GROUP, stable=1))[-1]

    assert change.path.endswith("--v2")
    assert change.body["spec"]["router"]["route"]["weight"] == 1
    with serving(GROUP) as world:
        wanted = prepared(world)
        assert world.observe(wanted).canary_percent == 0


def test_trap_members_that_differ_degrade_their_group_and_are_refused() -> None:
    with serving(GROUP) as world:
        wanted = prepared(world)
        lora = {"spec": {"model": {"lora": {"adapters": [{"name": "other"}]}}}}
        world.cluster.objects.write(f"{LLMS}{NAME}--v2", MERGE, lora)
        world.cluster.settle()

        seen = world.observe(wanted)

        assert (seen.canary.state, seen.canary.reason) == (RevisionState.FAILED, "MemberDivergence")
        with pytest.raises(ClusterRefusedError, match="MemberDivergence"):
            world.shift(wanted, 10)
        world.rollouts.roll_back(wanted)


def test_trap_a_group_keeps_the_version_before_for_a_cheap_rollback() -> None:
    with serving(GROUP) as world:
        wanted = prepared(world)
        world.rollouts.promote(wanted)
        world.cluster.settle()

        assert (world.shares(), world.pods(1)) == ({2: 100}, REPLICAS)
        world.rollouts.roll_back(wanted)
        world.cluster.settle()
        assert world.shares() == {1: 100}
