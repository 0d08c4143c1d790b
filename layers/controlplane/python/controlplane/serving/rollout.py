"""How a rollout is carried out: the steps of the state machine `ModelRollout`, all traffic at once.

A step works only while the deployment's item says that its execution carries the rollout out (otherwise it raises
RolloutNotActiveError), and every step may be repeated.
"""

from dataclasses import dataclass
from datetime import timedelta

from controlplane.errors import (
    NotFoundError,
    RolloutFailedError,
    RolloutNotActiveError,
    RolloutTimedOutError,
)
from controlplane.identifiers import now, revision_name
from controlplane.reasons import Reason
from controlplane.serving.model import (
    ActiveRollout,
    Deployment,
    Revision,
    RolloutEnded,
    RolloutState,
)
from controlplane.serving.ports import (
    DeploymentRepository,
    RevisionCluster,
    RevisionSpec,
    RevisionState,
    ServedArtifacts,
    VersionCatalog,
)
from controlplane.serving.queue import give_up, promote
from controlplane.serving.records import ended_rollout
from controlplane.serving.runtimes import runtime_for

REMEDIES = {
    "ModelLoadFailed": "Check that the file loads with the framework version of the runtime, then upload it again.",
    "NoSupportingRuntime": "Convert the model to a format that the catalog serves.",
    "RuntimeNotRecognized": "Tell the platform's administrators: the cluster lacks the runtime.",
}
DEFAULT_REMEDY = "Look at the model server's log, correct the model and upload it again."


@dataclass(frozen=True)
class RolloutReference:
    """Which rollout of which deployment, and the state machine execution that carries it out."""

    tenant_id: str
    project: str
    deployment: str
    rollout_id: str
    execution: str


def check_rollout(
    reference: RolloutReference,
    *,
    deployments: DeploymentRepository,
    versions: VersionCatalog,
    artifacts: ServedArtifacts,
) -> None:
    """Find out what must fail before anything is changed: no runtime, or files that are not as registered."""
    version = _spec(reference, deployments, versions).version
    fault = artifacts.find_fault(version)
    if fault is not None:
        raise RolloutFailedError(
            "ArtifactChanged",
            f"the files of version {version.number} are not as they were registered: {fault}",
            remedy="Upload the model again; it becomes a new version.",
        )


def apply_revision(
    reference: RolloutReference,
    *,
    deployments: DeploymentRepository,
    versions: VersionCatalog,
    cluster: RevisionCluster,
) -> None:
    """Write the revision's InferenceService, and the deployment's route if it has none yet, without traffic."""
    spec = _spec(reference, deployments, versions)
    cluster.apply_revision(spec)
    place = (reference.tenant_id, reference.project, reference.deployment)
    if cluster.find_weights(*place) is None:
        name = revision_name(reference.project, reference.deployment, spec.version.number)
        cluster.apply_route(*place, {name: 0})


def check_revision(
    reference: RolloutReference, *, deployments: DeploymentRepository, cluster: RevisionCluster
) -> RevisionState:
    """How far the revision is. Raises RolloutFailedError with KServe's reason, RolloutTimedOutError."""
    _, active = _owned(reference, deployments)
    name = revision_name(reference.project, reference.deployment, active.model_version)
    seen = cluster.observe_revision(reference.tenant_id, name)
    if seen.state is RevisionState.FAILED:
        remedy = REMEDIES.get(seen.reason, DEFAULT_REMEDY)
        raise RolloutFailedError(seen.reason or "RevisionFailed", seen.message, remedy=remedy)
    if seen.state is not RevisionState.READY and now() > active.deadline:
        raise RolloutTimedOutError(
            "DeadlineExceeded",
            f"the revision was not ready by {active.deadline:%H:%M:%S} UTC: {seen.message or seen.state}",
            remedy="Look at the cluster's capacity and at the model server's log, then ask for a rollout again.",
        )
    return seen.state


def shift_traffic(
    reference: RolloutReference, *, deployments: DeploymentRepository, cluster: RevisionCluster
) -> None:
    """Give the ready revision all traffic, in one write of the route."""
    _, active = _owned(reference, deployments)
    name = revision_name(reference.project, reference.deployment, active.model_version)
    cluster.apply_route(reference.tenant_id, reference.project, reference.deployment, {name: 100})


def finish_rollout(
    reference: RolloutReference, grace: timedelta, *, deployments: DeploymentRepository
) -> None:
    """Record that the revision is the stable one; the revision before retires after the grace time."""
    deployment, active = _owned(reference, deployments)
    moment = now()
    revision = Revision(
        model_version=active.model_version,
        name=revision_name(reference.project, reference.deployment, active.model_version),
        since=moment,
    )
    promoted = promote(deployment, revision, moment + grace, moment)
    _save_ended(reference, deployment, promoted, active, deployments, unattended=False)


def fail_rollout(
    reference: RolloutReference,
    state: RolloutState,
    reason: Reason,
    *,
    deployments: DeploymentRepository,
    unattended: bool = False,
) -> None:
    """Record that the rollout ended without success. `unattended`: nothing carries on with what is left to do."""
    deployment, active = _owned(reference, deployments)
    name = revision_name(reference.project, reference.deployment, active.model_version)
    failed = give_up(deployment, name, state, reason, now())
    _save_ended(reference, deployment, failed, active, deployments, unattended=unattended)


def _save_ended(
    reference: RolloutReference,
    before: Deployment,
    after: Deployment,
    active: ActiveRollout,
    deployments: DeploymentRepository,
    *,
    unattended: bool,
) -> None:
    last = after.last_rollout
    if last is None:
        raise TypeError("a rollout that ended leaves its outcome in the deployment")
    record = ended_rollout(after.name, active, last.state, last.ended_at, last.reason)
    event = RolloutEnded(
        tenant_id=reference.tenant_id,
        project=reference.project,
        deployment=reference.deployment,
        rollout_id=active.rollout_id,
        model_version=active.model_version,
        state=last.state,
        reason=last.reason.code if last.reason else None,
        needs_execution=unattended or after.waiting is not None,
    )
    deployments.save(reference.tenant_id, reference.project, before, after, [record], event)


def _owned(
    reference: RolloutReference, deployments: DeploymentRepository
) -> tuple[Deployment, ActiveRollout]:
    deployment, _ = deployments.find(reference.tenant_id, reference.project, reference.deployment)
    active = deployment.active if deployment else None
    if deployment is None or active is None or active.execution != reference.execution:
        raise RolloutNotActiveError(
            f"rollout {reference.rollout_id} is not carried out by this execution"
        )
    return deployment, active


def _spec(
    reference: RolloutReference, deployments: DeploymentRepository, versions: VersionCatalog
) -> RevisionSpec:
    deployment, active = _owned(reference, deployments)
    try:
        version = versions.get_version(
            reference.tenant_id, reference.project, deployment.model, active.model_version
        )
    except NotFoundError as gone:
        raise RolloutFailedError(
            "VersionGone", str(gone), remedy="Upload the model again; it becomes a new version."
        ) from gone
    return RevisionSpec(
        tenant_id=reference.tenant_id,
        project=reference.project,
        deployment=reference.deployment,
        rollout_id=active.rollout_id,
        version=version,
        runtime=runtime_for(version.format),
    )
