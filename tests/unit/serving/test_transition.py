"""How a rollout is told to the cluster: whether it is of the revision that serves, and what the plan refuses alike."""

import pytest

from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.preflight import transition_of
from controlplane.serving.rollout import RolloutReference, read_owned
from controlplane.serving.settings import Autoscaling
from controlplane.serving.strategy import Canary, RolloutPolicy, Shadow
from tests.fakes import Clock
from tests.unit.serving.test_plan import plan, put
from tests.unit.serving.world import PLACE, World


def is_in_place(world: World, reference: RolloutReference) -> bool:
    world.check(reference)
    frozen = world.rollout(reference.rollout_id).plan
    assert frozen is not None
    return transition_of(read_owned(reference, world.deployments), frozen).in_place


def test_only_a_rollout_of_the_version_that_serves_is_in_place(world: World, clock: Clock) -> None:
    first = world.start(world.register(1))
    assert not is_in_place(world, first)
    world.fail(first)
    clock.advance(1)

    world.roll_out(2)
    world.set(RolloutPolicy(), autoscaling=Autoscaling(min_replicas=2, max_replicas=2))
    world.request(2)
    _, again = world.open()
    assert is_in_place(world, again)
    world.fail(again)
    clock.advance(1)

    assert not is_in_place(world, world.start(world.register(3)))


@pytest.mark.parametrize(
    ("mechanism", "policy", "code"),
    [
        (Mechanism.KNATIVE, RolloutPolicy(strategy=Shadow()), "CopiesUnsupported"),
        (Mechanism.SPEC_CANARY, RolloutPolicy(strategy=Shadow()), "CopiesUnsupported"),
        (Mechanism.GROUP, RolloutPolicy(strategy=Canary()), "MechanismDiffers"),
    ],
)
def test_the_plan_refuses_what_the_preflight_refuses(
    mechanism: Mechanism, policy: RolloutPolicy, code: str
) -> None:
    world = World()
    for number in (1, 2):
        world.register(number)
    put(world, stable=1)
    found = world.table.deployments[PLACE]
    assert found.stable is not None
    stable = found.stable.model_copy(update={"mechanism": mechanism})
    world.table.deployments[PLACE] = found.with_changes(stable=stable)

    planned = plan(world, policy=policy)

    assert planned.mechanism is mechanism
    assert [obstacle.code for obstacle in planned.obstacles] == [code]
