"""What a rollout would do, told before anything is done: its steps, its writes to the cluster, the traffic it needs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from controlplane.errors import ClusterRefusedError, NotFoundError, RolloutFailedError
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import (
    ClusterChange,
    Mechanism,
    RolloutCompiler,
    Traffic,
    Transition,
)
from controlplane.serving.model import Deployment, RolloutRequest, ServedVersion, ServingState
from controlplane.serving.ports import (
    AliasDirectory,
    DeploymentRepository,
    RevisionSpec,
    VersionCatalog,
)
from controlplane.serving.preflight import policy_obstacles
from controlplane.serving.prices import cost_per_hour
from controlplane.serving.runtimes import ServiceKind, find_layout_fault, runtime_for
from controlplane.serving.service import version_wanted
from controlplane.serving.settings import DeploymentSettings
from controlplane.serving.statistics.traffic import TrafficNeed, traffic_need
from controlplane.serving.strategy import RolloutPolicy, Step

PLANNED = "r-00000000"
EVEN_PERCENT = 50


@dataclass(frozen=True)
class PlannedWrite:
    """One write to the cluster: of an object that is applied, `diff` is what it changes in it (unified, of JSON)."""

    verb: str
    path: str
    diff: str


@dataclass(frozen=True)
class PlannedMove:
    name: str
    writes: Sequence[PlannedWrite]


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

    `has_metrics`: whether there is a source of figures to judge by.
    """

    wanted: RolloutRequest
    error_rate: float
    has_metrics: bool


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
    policy = asked.wanted.policy or deployment.settings.rollout
    number = version_wanted(tenant_id, project, deployment.model, asked.wanted, aliases)
    version = versions.get_version(tenant_id, project, deployment.model, number)
    stable = _stable_version(tenant_id, project, deployment, number, versions)
    steps = policy.steps if stable else ()
    obstacles = [
        *_obstacles_of(deployment),
        *(policy_obstacles(policy, deployment.settings, asked.has_metrics) if stable else ()),
        *versions.find_obstacles(tenant_id, project, deployment.model, number),
    ]
    place = (tenant_id, project, name)
    moves: Sequence[PlannedMove] = ()
    mechanism = deployment.stable.mechanism if deployment.stable else Mechanism.ROUTE
    try:
        canary = _spec(place, version, deployment.settings)
        mechanism = _mechanism(deployment, canary)
        before = (
            _spec(place, stable, deployment.stable.settings)
            if stable and deployment.stable
            else None
        )
        transition = Transition(
            *place, PLANNED, mechanism, canary, before, deployment.settings.headers
        )
        moves = _moves(transition, steps, compiler)
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
        steps=[StepPlan(step, _need(step, policy, asked.error_rate)) for step in steps],
        least_seconds=sum(step.bake_seconds for step in steps) + policy.final_bake_seconds,
        obstacles=obstacles,
        moves=moves,
        kept_cost_per_hour=_kept_cost(deployment) if stable else None,
    )


def _obstacles_of(deployment: Deployment) -> list[Reason]:
    if deployment.serving is ServingState.RUNNING:
        return []
    reason = f"deployment {deployment.name} is {deployment.serving.value}"
    return [Reason(code="DeploymentStopped", message=reason, remedy="Resume it first.")]


def _need(step: Step, policy: RolloutPolicy, error_rate: float) -> TrafficNeed | None:
    """Of copies as of requests; probes go to both revisions alike."""
    if not step.judged:
        return None
    share = step.percent or step.mirror_percent or EVEN_PERCENT
    return traffic_need(policy.analysis, error_rate=error_rate, canary_share=share / 100)


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
    if deployment.stable is not None:
        return deployment.stable.mechanism
    is_llm = canary.runtime.kind is ServiceKind.LLM_INFERENCE_SERVICE
    return Mechanism.GROUP if is_llm else Mechanism.ROUTE


def _moves(
    transition: Transition, steps: Sequence[Step], compiler: RolloutCompiler
) -> list[PlannedMove]:
    """The writes in their order, each told by what it changes in what the one before left."""
    known = _present_objects(transition, compiler)
    moves = [_move("Prepare", compiler.prepare(transition), known)]
    for number, step in enumerate(steps, start=1):
        traffic = Traffic(step.percent, step.mirror_percent, step.probes)
        name = f"Step {number}: {step.percent} %"
        moves.append(_move(name, compiler.shift(transition, traffic), known))
    if transition.stable is not None:
        # Told from where it can happen, and not part of the way to the end.
        moves.append(_move("If it is rolled back", compiler.roll_back(transition), dict(known)))
    moves.append(_move("Promote", compiler.promote(transition), known))
    return moves


def _present_objects(transition: Transition, compiler: RolloutCompiler) -> dict[str, Any]:
    """What the cluster has of the stable revision, as Headrace wrote it."""
    if transition.stable is None:
        return {}
    alone = Transition(
        transition.tenant_id,
        transition.project,
        transition.deployment,
        transition.rollout_id,
        transition.mechanism,
        transition.stable,
    )
    changes = (*compiler.prepare(alone), *compiler.promote(alone))
    return {change.path: change.body for change in changes if change.verb == "apply"}


def _move(name: str, changes: Sequence[ClusterChange], known: dict[str, Any]) -> PlannedMove:
    writes = []
    for change in changes:
        before = known.get(change.path) if change.verb == "apply" else None
        writes.append(PlannedWrite(change.verb, change.path, _diff(before, change.body)))
        if change.verb == "apply":
            known[change.path] = change.body
    return PlannedMove(name, writes)


def _diff(before: Any, after: Any) -> str:
    lines = unified_diff(_lines(before), _lines(after), "present", "planned", lineterm="", n=2)
    return "\n".join(lines)


def _lines(body: Any) -> list[str]:
    return [] if body is None else json.dumps(body, indent=2, sort_keys=True).splitlines()
