"""What a rollout would do, told before anything is done: its steps, its writes to the cluster, the traffic it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from controlplane.errors import ClusterRefusedError, NotFoundError, RolloutFailedError
from controlplane.reasons import Reason
from controlplane.serving.capacity import sized
from controlplane.serving.cluster_ports import Mechanism, RolloutCompiler, Transition
from controlplane.serving.mechanisms import (
    kind_obstacles,
    mechanism_obstacles,
    refuse,
    usual_mechanism,
)
from controlplane.serving.model import Deployment, RolloutRequest, ServedVersion, ServingState
from controlplane.serving.planned_moves import PlannedMove, moves_of
from controlplane.serving.ports import (
    AliasDirectory,
    DeploymentRepository,
    RevisionSpec,
    VersionCatalog,
)
from controlplane.serving.preflight import all_at_once, policy_obstacles
from controlplane.serving.prices import cost_per_hour
from controlplane.serving.runtimes import find_layout_fault, runtime_for
from controlplane.serving.service import version_wanted
from controlplane.serving.settings import DeploymentSettings
from controlplane.serving.statistics.traffic import TrafficNeed, traffic_need
from controlplane.serving.strategy import RolloutPolicy, Step

PLANNED = "r-00000000"
EVEN_SHARE = 0.5


@dataclass(frozen=True)
class StepPlan:
    """A step, and how many requests (or copies) a verdict needs in it; None for one that is not judged."""

    step: Step
    need: TrafficNeed | None


@dataclass(frozen=True)
class RolloutPlan:
    """`steps` come before all traffic; `least_seconds` is how long it takes if every verdict is Pass at once.

    `obstacles` would end the rollout before it changes anything; what only the cluster knows is asked when it starts.
    `kept_cost_per_hour` is what the revision before costs about, in micro-USD, while it is kept for a rollback.
    """

    version: int
    stable_version: int | None
    policy: RolloutPolicy
    mechanism: Mechanism
    steps: Sequence[StepPlan]
    least_seconds: int
    obstacles: Sequence[Reason] = ()
    moves: Sequence[PlannedMove] = ()
    kept_cost_per_hour: int | None = None


@dataclass(frozen=True)
class PlanQuestion:
    """Which version, how, and the stable revision's error rate as far as the caller knows it (a share).

    `has_metrics`: whether there is a source of figures to judge by; `counts_copies`: also of copies of requests.
    """

    wanted: RolloutRequest
    error_rate: float
    has_metrics: bool
    counts_copies: bool = True


def plan_rollout(
    tenant_id: str,
    project: str,
    name: str,
    asked: PlanQuestion,
    *,
    deployments: DeploymentRepository,
    versions: VersionCatalog,
    aliases: AliasDirectory,
    compiler: RolloutCompiler,
) -> RolloutPlan:
    """Raises NotFoundError for an unknown deployment, version or alias."""
    deployment = deployments.get(tenant_id, project, name)
    number = version_wanted(tenant_id, project, deployment.model, asked.wanted, aliases)
    version, refusals = versions.get_candidate(tenant_id, project, deployment.model, number)
    stable = _stable_version(tenant_id, project, deployment, number, versions)
    policy = asked.wanted.policy or deployment.settings.rollout
    policy = policy if stable else all_at_once(policy)
    obstacles = [
        *_obstacles_of(deployment),
        *_policy_obstacles(policy, deployment.settings, asked),
        *refusals,
    ]
    place = (tenant_id, project, name)
    moves: Sequence[PlannedMove] = ()
    mechanism = deployment.stable.mechanism if deployment.stable else Mechanism.ROUTE
    try:
        canary = _spec(place, version, deployment.settings)
        mechanism = _mechanism(deployment, canary)
        refuse(mechanism_obstacles(policy, mechanism))
        before = (
            _spec(place, stable, deployment.stable.settings)
            if stable and deployment.stable
            else None
        )
        transition = Transition(
            *place, PLANNED, mechanism, canary, before, deployment.settings.headers
        )
        policy = sized(policy, mechanism)
        moves = moves_of(transition, policy, compiler)
    except RolloutFailedError as failed:
        obstacles.append(Reason(code=failed.reason, message=failed.message, remedy=failed.remedy))
    except ClusterRefusedError as refused:
        obstacles.append(
            Reason(code="MechanismRefused", message=str(refused), remedy=refused.remedy)
        )
    return RolloutPlan(
        version=number,
        stable_version=stable.number if stable else None,
        policy=policy,
        mechanism=mechanism,
        steps=[StepPlan(step, _need(step, policy, asked.error_rate)) for step in policy.steps],
        least_seconds=sum(step.bake_seconds for step in policy.steps) + policy.final_bake_seconds,
        obstacles=obstacles,
        moves=moves,
        kept_cost_per_hour=_kept_cost(deployment) if stable else None,
    )


def _policy_obstacles(
    policy: RolloutPolicy, settings: DeploymentSettings, asked: PlanQuestion
) -> Sequence[Reason]:
    return policy_obstacles(policy, settings, asked.has_metrics, counts_copies=asked.counts_copies)


def _obstacles_of(deployment: Deployment) -> list[Reason]:
    if deployment.serving is ServingState.RUNNING:
        return []
    reason = f"deployment {deployment.name} is {deployment.serving.value}"
    return [Reason(code="DeploymentStopped", message=reason, remedy="Resume it first.")]


def _need(step: Step, policy: RolloutPolicy, error_rate: float) -> TrafficNeed | None:
    if not step.judged:
        return None
    return traffic_need(policy.analysis, error_rate=error_rate, canary_share=_share(step))


def _share(step: Step) -> float:
    """The canary's part of all that is answered: copies come on top of the requests, probes go to both alike."""
    if step.percent:
        return step.percent / 100
    if step.mirror_percent:
        return step.mirror_percent / (100 + step.mirror_percent)
    return EVEN_SHARE


def _kept_cost(deployment: Deployment) -> int | None:
    kept = deployment.stable
    return cost_per_hour(kept.settings, kept.gpus) if kept else None


def _stable_version(
    tenant_id: str, project: str, deployment: Deployment, wanted: int, versions: VersionCatalog
) -> ServedVersion | None:
    """None where there is nothing to compare with: a first rollout, or the same version again."""
    if deployment.stable is None or deployment.stable.model_version == wanted:
        return None
    number = deployment.stable.model_version
    try:
        return versions.get_version(tenant_id, project, deployment.model, number)
    except NotFoundError:
        return None


def _spec(
    place: tuple[str, str, str], version: ServedVersion, settings: DeploymentSettings
) -> RevisionSpec:
    runtime = runtime_for(version.format, settings.runtime)
    fault = find_layout_fault(runtime, version.files, place[2])
    if fault is not None:
        raise RolloutFailedError(
            "ModelLayout", fault, remedy="Lay the files out so and upload the model again."
        )
    return RevisionSpec(*place, PLANNED, version, runtime, settings)


def _mechanism(deployment: Deployment, canary: RevisionSpec) -> Mechanism:
    """As it is; of a first rollout as it will be where the cluster allows it."""
    if deployment.stable is None:
        return usual_mechanism(canary.runtime.kind)
    refuse(kind_obstacles(deployment.stable.mechanism, canary.runtime.kind))
    return deployment.stable.mechanism
