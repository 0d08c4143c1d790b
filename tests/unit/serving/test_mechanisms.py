"""Which way of splitting traffic a rollout goes by: never silently another one than its callers are served by."""

import pytest

from controlplane.errors import RolloutFailedError
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import MIRROR, MIRROR_PART, ClusterSurvey, Mechanism
from controlplane.serving.mechanisms import choose_mechanism, mechanism_obstacles
from controlplane.serving.runtimes import ServiceKind
from controlplane.serving.strategy import (
    AllAtOnce,
    BlueGreen,
    Canary,
    RolloutPolicy,
    Shadow,
    Strategy,
)
from tests.unit.serving.world import PLACE, World

NOT_READY = Reason(code="GatewayNotReady", message="it is not Programmed", remedy="Look at it.")
EVERY = tuple(Mechanism)
MODEL, LLM = ServiceKind.INFERENCE_SERVICE, ServiceKind.LLM_INFERENCE_SERVICE
STRATEGIES: tuple[Strategy, ...] = (AllAtOnce(), Canary())


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.type)
@pytest.mark.parametrize("stable", list(Mechanism))
def test_while_the_mechanism_of_the_revision_that_serves_cannot_be_used_nothing_else_is(
    stable: Mechanism, strategy: Strategy
) -> None:
    survey = ClusterSurvey(tuple(m for m in EVERY if m is not stable), {stable: NOT_READY})
    kind = LLM if stable is Mechanism.GROUP else MODEL

    with pytest.raises(RolloutFailedError) as refused:
        choose_mechanism(survey, kind, stable, RolloutPolicy(strategy=strategy))

    assert (refused.value.reason, refused.value.remedy) == ("GatewayNotReady", "Look at it.")


def test_without_a_revision_that_serves_the_first_that_fits_is_taken() -> None:
    survey = ClusterSurvey((Mechanism.KNATIVE, Mechanism.GROUP), {Mechanism.ROUTE: NOT_READY})
    policy = RolloutPolicy(strategy=Canary())

    assert choose_mechanism(survey, MODEL, None, policy) is Mechanism.KNATIVE
    assert choose_mechanism(survey, LLM, None, policy) is Mechanism.GROUP


@pytest.mark.parametrize(("stable", "kind"), [(Mechanism.ROUTE, LLM), (Mechanism.GROUP, MODEL)])
def test_another_kind_of_object_needs_a_deployment_of_its_own(
    stable: Mechanism, kind: ServiceKind
) -> None:
    with pytest.raises(RolloutFailedError) as refused:
        choose_mechanism(ClusterSurvey(EVERY), kind, stable, RolloutPolicy())

    assert refused.value.reason == "MechanismDiffers"
    assert "a deployment of its own" in str(refused.value.remedy)


def test_a_gateway_that_is_not_ready_for_a_moment_ends_the_rollout_and_moves_nobody(
    world: World,
) -> None:
    world.roll_out(1)
    reference = world.start(world.register(2))
    before = dict(world.cluster.routes[PLACE].weights)
    world.cluster.mechanisms = (Mechanism.KNATIVE, Mechanism.SPEC_CANARY)
    world.cluster.refusals = {Mechanism.ROUTE: NOT_READY}

    with pytest.raises(RolloutFailedError) as refused:
        world.check(reference)

    assert (refused.value.reason, refused.value.remedy) == ("GatewayNotReady", "Look at it.")
    assert world.rollout(reference.rollout_id).plan is None
    assert world.cluster.routes[PLACE].weights == before


@pytest.mark.parametrize("mechanism", [m for m in Mechanism if m is not Mechanism.ROUTE])
@pytest.mark.parametrize(
    ("strategy", "code"),
    [
        (BlueGreen(judged_on="Mirror"), "CopiesUnsupported"),
        (BlueGreen(judged_on="Probes"), "ProbesUnsupported"),
        (Shadow(), "CopiesUnsupported"),
    ],
    ids=["copies", "probes", "shadow"],
)
def test_what_only_a_route_has_is_refused_by_each_other_mechanism(
    mechanism: Mechanism, strategy: Strategy, code: str
) -> None:
    policy = RolloutPolicy(strategy=strategy)

    (obstacle,) = mechanism_obstacles(policy, mechanism)

    assert (obstacle.code, bool(obstacle.remedy)) == (code, True)
    assert mechanism_obstacles(policy, Mechanism.ROUTE) == []
    assert mechanism_obstacles(RolloutPolicy(strategy=Canary()), mechanism) == []


def test_it_is_refused_before_the_canary_is_brought_up(world: World) -> None:
    world.cluster.mechanisms = (Mechanism.KNATIVE,)
    world.roll_out(1)
    world.set(RolloutPolicy(strategy=Shadow()))
    reference = world.start(world.register(2))
    world.cluster.writes.clear()

    with pytest.raises(RolloutFailedError) as refused:
        world.check(reference)

    assert refused.value.reason == "CopiesUnsupported"
    assert world.cluster.writes == []


@pytest.mark.parametrize(
    ("percent", "lacks", "refused"),
    [
        (100, {MIRROR}, True),
        (100, {MIRROR_PART}, False),
        (10, {MIRROR_PART}, True),
        (10, set(), False),
    ],
)
def test_copies_need_a_gateway_that_makes_them(
    percent: int, lacks: set[str], refused: bool
) -> None:
    survey = ClusterSurvey(EVERY, lacks=frozenset(lacks))
    policy = RolloutPolicy(strategy=Shadow(mirror_percent=percent))

    if not refused:
        assert choose_mechanism(survey, MODEL, Mechanism.ROUTE, policy) is Mechanism.ROUTE
        return
    with pytest.raises(RolloutFailedError) as told:
        choose_mechanism(survey, MODEL, Mechanism.ROUTE, policy)
    assert told.value.reason == "CopiesUnsupported"
    canary = RolloutPolicy(strategy=Canary())
    assert choose_mechanism(survey, MODEL, Mechanism.ROUTE, canary) is Mechanism.ROUTE
