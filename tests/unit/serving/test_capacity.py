"""Lean where the stable revision's size is not ours to choose."""

import pytest

from controlplane.serving.capacity import sized
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.model import RolloutState
from controlplane.serving.settings import Autoscaling
from controlplane.serving.strategy import Capacity, RolloutPolicy
from tests.unit.serving.test_canary import POLICY, Begin, begin
from tests.unit.serving.world import TENANT, revision

__all__ = ["begin"]

LEAN = POLICY.model_copy(update={"capacity": Capacity.LEAN})


@pytest.mark.parametrize(
    ("mechanism", "capacity"),
    [
        (Mechanism.ROUTE, Capacity.LEAN),
        (Mechanism.SPEC_CANARY, Capacity.LEAN),
        (Mechanism.GROUP, Capacity.LEAN),
        (Mechanism.KNATIVE, Capacity.SAFE),
    ],
)
def test_lean_is_safe_where_sizes_follow_the_requests(
    mechanism: Mechanism, capacity: Capacity
) -> None:
    assert sized(LEAN, mechanism) == LEAN.model_copy(update={"capacity": capacity})
    safe = RolloutPolicy()
    assert sized(safe, mechanism) is safe


def test_lean_on_knative_gives_everything_back_in_one_write(begin: Begin) -> None:
    """Its copies left with the requests, and nothing that is asked for brings them back."""
    begin.world.cluster.mechanisms = (Mechanism.KNATIVE,)
    road = begin(LEAN, autoscaling=Autoscaling(min_replicas=4, max_replicas=4))
    road.until(50)
    plan = road.world.rollout(road.reference.rollout_id).plan
    assert plan
    assert plan.policy.capacity is Capacity.SAFE
    road.world.cluster.replicas[TENANT, revision(1)] = 2
    road.errors = 10
    before = len(road.world.cluster.writes)

    assert road.end() is RolloutState.ROLLED_BACK
    assert [write.split()[0] for write in road.world.cluster.writes[before:]] == ["roll_back"]
    assert road.world.weights == {revision(1): 100}
