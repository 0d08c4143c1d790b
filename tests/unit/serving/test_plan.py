"""The dry run: what a rollout would do, told by the code that would do it."""

import pytest

from controlplane.adapters.rollout_compilers import PlannedRollouts
from controlplane.errors import NotFoundError
from controlplane.reasons import Reason
from controlplane.serving.model import Deployment, Revision, RolloutRequest, ServingState
from controlplane.serving.plan import PlanQuestion, RolloutPlan, plan_rollout
from controlplane.serving.planned_moves import PlannedMove
from controlplane.serving.prices import cost_per_hour
from controlplane.serving.settings import Autoscaling, DeploymentSettings, Probe, Resources
from controlplane.serving.states import Mechanism
from controlplane.serving.statistics.traffic import traffic_need
from controlplane.serving.strategy import (
    AllAtOnce,
    BlueGreen,
    Canary,
    CanaryStep,
    Capacity,
    Linear,
    RolloutPolicy,
    Shadow,
    Strategy,
)
from tests.fakes import MemoryAliasDirectory, MemoryVersionCatalog
from tests.unit.serving.world import NAME, PLACE, World, revision

PROBE = Probe(path="/v1/models/digits:predict", body="{}")
CANARY = RolloutPolicy(strategy=Canary(), final_bake_seconds=60)


@pytest.fixture
def world() -> World:
    world = World()
    for number in (1, 2):
        world.register(number)
    return world


def put(world: World, *, stable: int | None, settings: DeploymentSettings | None = None) -> None:
    moment = world.table.models[PLACE].created_at
    serves = stable and Revision(model_version=stable, name=revision(stable), since=moment)
    world.table.deployments[PLACE] = Deployment(
        name=NAME,
        model=NAME,
        created_at=moment,
        stable=serves or None,
        settings=settings or DeploymentSettings(),
        version=1,
    )


def plan(
    world: World,
    version: int = 2,
    policy: RolloutPolicy | None = CANARY,
    catalog: MemoryVersionCatalog | None = None,
    *,
    has_metrics: bool = True,
    counts_copies: bool = True,
) -> RolloutPlan:
    return plan_rollout(
        *PLACE,
        PlanQuestion(
            RolloutRequest(version=version, policy=policy), 0.01, has_metrics, counts_copies
        ),
        deployments=world.deployments,
        versions=catalog or MemoryVersionCatalog(world.table),
        aliases=MemoryAliasDirectory(),
        compiler=PlannedRollouts(("headrace-system", "headrace")),
    )


def move(planned: RolloutPlan, name: str) -> PlannedMove:
    return next(move for move in planned.moves if move.name == name)


def added(planned: RolloutPlan, name: str) -> set[str]:
    lines = [line for write in move(planned, name).writes for line in write.diff.splitlines()]
    return {line[1:].strip() for line in lines if line.startswith("+") and line[1:2] != "+"}


def test_a_canary_is_told_move_by_move(world: World) -> None:
    put(world, stable=1)
    planned = plan(world)

    names = [move.name for move in planned.moves]
    assert names == [
        "Prepare",
        "Step 1: 10 %",
        "Step 2: 50 %",
        "If it is rolled back",
        "When it has been rolled back",
        "Promote",
        "When it has ended",
    ]
    assert '"weight": 90' in added(planned, "Step 1: 10 %")
    assert '"weight": 50' in added(planned, "Step 2: 50 %")
    assert planned.least_seconds == 300 + 300 + 60
    assert (planned.version, planned.stable_version) == (2, 1)


def test_a_rollback_is_one_write_of_the_route(world: World) -> None:
    put(world, stable=1)
    [write] = move(plan(world), "If it is rolled back").writes
    assert "/httproutes/" in write.path


def test_what_is_undone_after_the_end_is_told(world: World) -> None:
    put(world, stable=1)
    planned = plan(world)
    for name, served in (("When it has ended", 2), ("When it has been rolled back", 1)):
        route, size = move(planned, name).writes
        assert "/httproutes/" in route.path
        assert size.path.endswith(f"/{revision(served)}")


def test_a_lean_rollout_tells_how_the_stable_revision_shrinks_and_grows_again(
    world: World,
) -> None:
    """Behind each step that was passed, by what it had of the requests in it; before a rollback all of it is back."""
    put(world, stable=1)
    deployment = world.table.deployments[PLACE]
    assert deployment.stable is not None
    scale = Autoscaling(min_replicas=4, max_replicas=4)
    large = deployment.stable.model_copy(update={"settings": DeploymentSettings(autoscaling=scale)})
    world.table.deployments[PLACE] = deployment.with_changes(stable=large)
    steps = tuple(CanaryStep(percent=percent) for percent in (25, 50, 75))
    lean = RolloutPolicy(strategy=Canary(steps=steps), capacity=Capacity.LEAN)
    planned = plan(world, policy=lean)

    def sizes(name: str) -> list[str]:
        writes = [w for w in move(planned, name).writes if w.path.endswith(revision(1))]
        return [line for w in writes for line in w.diff.splitlines() if "minReplicas" in line]

    assert sizes("Step 1: 25 %") == []
    assert ["3" in line for line in sizes("Step 2: 50 %")] == [True]
    assert ["2" in line for line in sizes("Step 3: 75 %")] == [True]
    assert ["4" in line for line in sizes("If it is rolled back")] == [True]
    safe = plan(world, policy=lean.model_copy(update={"capacity": Capacity.SAFE}))
    assert len(move(safe, "Step 2: 50 %").writes) == 1


def test_the_traffic_that_a_verdict_needs_is_told_for_each_share(world: World) -> None:
    put(world, stable=1)
    needs = [each.need for each in plan(world).steps]
    assert all(need is not None and need.canary_to_pass for need in needs)


def test_copies_are_judged_as_requests_are(world: World) -> None:
    put(world, stable=1)
    planned = plan(world, policy=RolloutPolicy(strategy=Shadow()))
    [step] = planned.steps
    assert step.need is not None
    assert any("RequestMirror" in line for line in added(planned, "Step 1: 0 %"))


@pytest.mark.parametrize(
    ("strategy", "shares"),
    [
        (AllAtOnce(), []),
        (Canary(), [0.1, 0.5]),
        (Linear(percent=25), [0.25, 0.5, 0.75]),
        (BlueGreen(), [0.5]),
        (BlueGreen(judged_on="Probes"), [0.5]),
        (Shadow(), [10 / 110]),
        (Shadow(mirror_percent=50), [1 / 3]),
        (Shadow(mirror_percent=100), [0.5]),
    ],
    ids=str,
)
def test_every_strategy_is_told_with_the_canarys_share_of_all_answers(
    world: World, strategy: Strategy, shares: list[float]
) -> None:
    """A copy comes on top of the request that it copies: of a full mirror, every other answer is the canary's."""
    put(world, stable=1, settings=DeploymentSettings(probe=PROBE))
    policy = RolloutPolicy(strategy=strategy)
    needs = [each.need for each in plan(world, policy=policy).steps]
    expected = [
        traffic_need(policy.analysis, error_rate=0.01, canary_share=share) for share in shares
    ]
    assert needs == expected


@pytest.mark.parametrize("stable", [None, 2])
def test_without_a_revision_to_compare_with_it_goes_all_at_once(
    world: World, stable: int | None
) -> None:
    put(world, stable=stable)
    planned = plan(world)
    assert not planned.steps
    assert planned.stable_version is None
    assert [move.name for move in planned.moves] == ["Prepare", "Promote", "When it has ended"]
    # As the preflight has it: there is nothing to watch it against, so it is promoted at once.
    assert (planned.policy.strategy, planned.least_seconds) == (AllAtOnce(), 0)


def test_what_the_projects_policy_has_against_it_is_told(world: World) -> None:
    put(world, stable=1)
    catalog = MemoryVersionCatalog(world.table)
    reason = Reason(code="NotApproved", message="nobody approved it", remedy="Approve it.")
    catalog.obstacles[2] = [reason]
    assert plan(world, catalog=catalog).obstacles == [reason]


def test_what_would_only_wait_for_figures_is_told(world: World) -> None:
    put(world, stable=1)
    told = plan(world, has_metrics=False)
    assert [obstacle.code for obstacle in told.obstacles] == ["NoMetricSource"]
    put(world, stable=None)
    assert plan(world, has_metrics=False).obstacles == []


def test_what_would_be_judged_on_copies_that_nobody_counts_is_told(world: World) -> None:
    put(world, stable=1)
    shadow = RolloutPolicy(strategy=Shadow())
    told = plan(world, policy=shadow, counts_copies=False)
    assert [obstacle.code for obstacle in told.obstacles] == ["CopiesNotCounted"]
    assert plan(world, counts_copies=False).obstacles == []


def test_a_runtime_that_does_not_fit_is_told_and_nothing_is_planned(world: World) -> None:
    put(world, stable=1, settings=DeploymentSettings(runtime="huggingface"))
    planned = plan(world)
    assert [obstacle.code for obstacle in planned.obstacles] == ["RuntimeNotFitting"]
    assert planned.moves == ()


def test_settings_show_in_the_manifests(world: World) -> None:
    put(world, stable=1, settings=DeploymentSettings(resources=Resources(cpu="750m")))
    assert any("750m" in line for line in added(plan(world), "Prepare"))


def test_what_is_served_is_told_by_the_settings_it_was_made_with(world: World) -> None:
    put(world, stable=1, settings=DeploymentSettings(resources=Resources(cpu="750m")))
    deployment = world.table.deployments[PLACE]
    assert deployment.stable is not None
    old = DeploymentSettings(resources=Resources(cpu="250m"))
    before = deployment.stable.model_copy(update={"settings": old})
    world.table.deployments[PLACE] = deployment.with_changes(stable=before)

    lines = added(plan(world), "Prepare")

    assert not any("250m" in line for line in lines)
    assert any("750m" in line for line in lines)


def test_a_stopped_deployment_is_an_obstacle(world: World) -> None:
    put(world, stable=1)
    stopped = world.table.deployments[PLACE].with_changes(serving=ServingState.STOPPED)
    world.table.deployments[PLACE] = stopped
    assert [obstacle.code for obstacle in plan(world).obstacles] == ["DeploymentStopped"]


def test_it_goes_by_what_splits_the_deployments_traffic(world: World) -> None:
    put(world, stable=1)
    deployment = world.table.deployments[PLACE]
    assert deployment.stable is not None
    knative = deployment.stable.model_copy(update={"mechanism": Mechanism.KNATIVE})
    world.table.deployments[PLACE] = deployment.with_changes(stable=knative)
    planned = plan(world)
    assert planned.mechanism is Mechanism.KNATIVE
    assert any("canaryTrafficPercent" in line for line in added(planned, "Step 1: 10 %"))


def test_keeping_the_revision_before_has_its_price(world: World) -> None:
    put(world, stable=1)
    assert plan(world).kept_cost_per_hour == cost_per_hour(DeploymentSettings())
    put(world, stable=None)
    assert plan(world).kept_cost_per_hour is None


def test_nothing_is_changed_by_planning(world: World) -> None:
    put(world, stable=1)
    before = (dict(world.table.deployments), list(world.table.events))
    plan(world)
    assert (world.table.deployments, world.table.events) == before


def test_an_unknown_version_or_deployment_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        plan(world)
    put(world, stable=1)
    with pytest.raises(NotFoundError):
        plan(world, version=9)
