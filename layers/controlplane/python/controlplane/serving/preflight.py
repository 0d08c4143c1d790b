"""What is found out before the first write, and what the rollout goes by from then on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from controlplane.errors import NotFoundError, RolloutFailedError
from controlplane.reasons import Reason
from controlplane.serving.capacity import sized
from controlplane.serving.cluster_ports import Mechanism, RolloutCluster, Transition
from controlplane.serving.mechanisms import choose_mechanism, mechanism_obstacles, refuse
from controlplane.serving.model import (
    FrozenPlan,
    FrozenRevision,
    ServedVersion,
    ServingState,
)
from controlplane.serving.ports import (
    DeploymentRepository,
    RevisionSpec,
    ServedArtifacts,
    VersionCatalog,
)
from controlplane.serving.progress import Progress
from controlplane.serving.rollout import Owned, RolloutReference, read_owned, refusals_explained
from controlplane.serving.runtimes import ServiceKind, find_layout_fault, runtime_for
from controlplane.serving.settings import DeploymentSettings
from controlplane.serving.states import RolloutKind
from controlplane.serving.strategy import AllAtOnce, OnInconclusive, RolloutPolicy


@refusals_explained()
def check_rollout(
    reference: RolloutReference,
    *,
    deployments: DeploymentRepository,
    versions: VersionCatalog,
    artifacts: ServedArtifacts,
    cluster: RolloutCluster,
    has_metrics: bool,
    counts_copies: bool = True,
) -> None:
    """Find out what must fail before anything is changed, and freeze what the rollout goes by.

    Raises RolloutFailedError with code and remedy of the first obstacle. A rollback to a revision that still runs is
    held up by none: it needs nothing that it has not got, and was checked when it was rolled out. One whose revision
    has gone meanwhile is checked like any other.
    """
    owned = read_owned(reference, deployments)
    if owned.deployment.serving is not ServingState.RUNNING:
        raise RolloutFailedError(
            "DeploymentStopped",
            f"deployment {reference.deployment} is {owned.deployment.serving}",
            remedy="Resume the deployment, then ask for the rollout again.",
        )
    version, refusals = _candidate(owned, versions)
    if owned.active.warm is None:
        _check_version(owned, version, refusals, artifacts)
    plan = _plan(owned, version, versions, cluster)
    settings = plan.canary.settings
    refuse(policy_obstacles(plan.policy, settings, has_metrics, counts_copies=counts_copies))
    refuse(mechanism_obstacles(plan.policy, plan.mechanism))
    if owned.active.warm is None:
        refuse(cluster.find_obstacles(transition_of(owned, plan)))
    if owned.rollout.plan == plan:
        return
    progress = owned.rollout.progress or Progress()
    record = owned.rollout.model_copy(update={"plan": plan, "progress": progress})
    deployments.save_progress(reference.tenant_id, reference.project, owned.deployment, record)


def policy_obstacles(
    policy: RolloutPolicy,
    settings: DeploymentSettings,
    has_metrics: bool,
    *,
    counts_copies: bool = True,
) -> list[Reason]:
    """Why a rollout by this policy could only wait until its time is over.

    Without figures, or without those of copies where it is judged on them, no step is passed that is judged, except
    by people where the policy asks them.
    """
    found = []
    if settings.probe is None and any(step.probes for step in policy.steps):
        found.append(
            Reason(
                code="ProbeMissing",
                message="the strategy is judged on probes, but the deployment has none set",
                remedy="Set the deployment's probe, or let the strategy be judged on Mirror.",
            )
        )
    judged = [step for step in policy.steps if step.judged]
    if policy.on_inconclusive is OnInconclusive.ASK:
        return found
    if not has_metrics and judged:
        found.append(
            Reason(
                code="NoMetricSource",
                message="the rollout is judged on figures, but Headrace has no source of them",
                remedy="Set headrace:metrics-source, or on_inconclusive to Ask, or the strategy AllAtOnce.",
            )
        )
    elif not counts_copies and any(step.mirror_percent for step in judged):
        found.append(
            Reason(
                code="CopiesNotCounted",
                message="the strategy is judged on copies of requests, which the gateway's figures do not count",
                remedy="Use BlueGreen judged on Probes, Canary or Linear, or set on_inconclusive to Ask.",
            )
        )
    return found


def all_at_once(policy: RolloutPolicy) -> RolloutPolicy:
    """The policy of a rollout that has nothing to be compared with."""
    return policy.model_copy(update={"strategy": AllAtOnce(), "final_bake_seconds": 0})


def transition_of(owned: Owned, plan: FrozenPlan) -> Transition:
    """The way from one revision to the other, as it was frozen."""
    active = owned.active
    way = transition_between(*owned.reference.place, active.rollout_id, active.started_at, plan)
    in_place = plan.stable is None and owned.deployment.stable is not None
    return replace(way, warm=active.warm is not None, in_place=in_place)


def transition_between(
    tenant_id: str,
    project: str,
    deployment: str,
    rollout_id: str,
    started_at: datetime | None,
    plan: FrozenPlan,
) -> Transition:
    """The same for a rollout that runs no more."""
    place = (tenant_id, project, deployment)
    return Transition(
        *place,
        rollout_id,
        plan.mechanism,
        _spec(place, rollout_id, plan.canary),
        _spec(place, rollout_id, plan.stable) if plan.stable else None,
        plan.canary.settings.headers,
        began=f"{started_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if started_at else "",
    )


def frozen_plan(owned: Owned) -> FrozenPlan:
    """Raises RolloutFailedError for a rollout that no preflight has passed."""
    if owned.rollout.plan is None:
        raise RolloutFailedError(
            "NoPreflight",
            "the rollout was not checked before it was carried out",
            remedy="Ask for a rollout again; if it fails again, tell the platform's administrators.",
        )
    return owned.rollout.plan


def _check_version(
    owned: Owned, version: ServedVersion, refusals: Sequence[Reason], artifacts: ServedArtifacts
) -> None:
    reference = owned.reference
    runtime = runtime_for(version.format, owned.deployment.settings.runtime)
    refuse(refusals)
    fault = artifacts.find_fault(version)
    if fault is not None:
        raise RolloutFailedError(
            "ArtifactChanged",
            f"the files of version {version.number} are not as they were registered: {fault}",
            remedy="Upload the model again; it becomes a new version.",
        )
    layout = find_layout_fault(runtime, version.files, reference.deployment)
    if layout is not None:
        raise RolloutFailedError(
            "ModelLayout", layout, remedy="Lay the files out so and upload the model again."
        )


def _plan(
    owned: Owned, version: ServedVersion, versions: VersionCatalog, cluster: RolloutCluster
) -> FrozenPlan:
    policy = _policy(owned)
    settings = _settings(owned)
    runtime = runtime_for(version.format, settings.runtime)
    mechanism = _mechanism(owned, cluster, runtime.kind, policy)
    canary = _frozen(version, settings)
    return FrozenPlan(
        policy=sized(policy, mechanism),
        mechanism=mechanism,
        canary=canary,
        stable=_stable(owned, versions),
    )


def _stable(owned: Owned, versions: VersionCatalog) -> FrozenRevision | None:
    stable = owned.deployment.stable
    if stable is None or not owned.has_stable:
        return None
    return _frozen(_version(owned, stable.model_version, versions), stable.settings)


def _policy(owned: Owned) -> RolloutPolicy:
    """All at once where there is nothing to compare with, and where the revision was judged before."""
    policy = owned.active.policy or owned.deployment.settings.rollout
    if owned.has_stable and owned.active.kind is RolloutKind.ROLLOUT:
        return policy
    return all_at_once(policy)


def _settings(owned: Owned) -> DeploymentSettings:
    """A revision that is kept warm goes on as it is."""
    return owned.active.warm or owned.deployment.settings


def _mechanism(
    owned: Owned, cluster: RolloutCluster, kind: ServiceKind, policy: RolloutPolicy
) -> Mechanism:
    stable = owned.deployment.stable
    if owned.active.warm is not None and stable is not None:
        return stable.mechanism
    before = None if stable is None else stable.mechanism
    return choose_mechanism(cluster.survey(owned.reference.tenant_id), kind, before, policy)


def _candidate(owned: Owned, versions: VersionCatalog) -> tuple[ServedVersion, Sequence[Reason]]:
    """The version to roll out, and why the project's policy does not let it serve."""
    reference, active = owned.reference, owned.active
    place = (reference.tenant_id, reference.project, owned.deployment.model)
    try:
        return versions.get_candidate(*place, active.model_version)
    except NotFoundError as gone:
        raise _version_gone(gone) from gone


def _version(owned: Owned, number: int, versions: VersionCatalog) -> ServedVersion:
    reference = owned.reference
    try:
        return versions.get_version(
            reference.tenant_id, reference.project, owned.deployment.model, number
        )
    except NotFoundError as gone:
        raise _version_gone(gone) from gone


def _version_gone(gone: NotFoundError) -> RolloutFailedError:
    return RolloutFailedError(
        "VersionGone", str(gone), remedy="Upload the model again; it becomes a new version."
    )


def _frozen(version: ServedVersion, settings: DeploymentSettings) -> FrozenRevision:
    """Without the lists of its files: every tick writes the record that the plan is in."""
    slim = version.model_copy(update={"files": {}, "pins": {}})
    return FrozenRevision(version=slim, settings=settings)


def _spec(place: tuple[str, str, str], rollout_id: str, frozen: FrozenRevision) -> RevisionSpec:
    return RevisionSpec(
        *place,
        rollout_id,
        frozen.version,
        runtime_for(frozen.version.format, frozen.settings.runtime),
        frozen.settings,
    )
