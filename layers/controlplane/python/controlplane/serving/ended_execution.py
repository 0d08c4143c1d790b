"""What is done when a state machine execution died without a word."""

from controlplane.reasons import Reason
from controlplane.requests import PageRequest
from controlplane.serving.arrivals import RegisteredVersion
from controlplane.serving.closing import write_evidence
from controlplane.serving.deployment_events import (
    RetirementPostponed,
    RolloutRequested,
    ServingEvent,
)
from controlplane.serving.metric_ports import EvidenceStore
from controlplane.serving.model import Deployment, RolloutState
from controlplane.serving.opening import queue_again
from controlplane.serving.ports import (
    DeploymentRepository,
    LimitDirectory,
    ServingPolicyRepository,
)
from controlplane.serving.rollout import RolloutReference, fail_rollout
from controlplane.serving.rollout_events import RolloutHandedOver

EXECUTION_ENDED = "ExecutionEnded"


def record_ended_execution(
    tenant_id: str,
    project: str,
    name: str,
    execution: str,
    status: str,
    registered: RegisteredVersion | None,
    *,
    deployments: DeploymentRepository,
    limits: LimitDirectory,
    policies: ServingPolicyRepository,
) -> str | None:
    """Record what an execution left behind that died without a word (time-out, abort, run-time fault).

    Nothing that it should have done is lost: what it did not begin is queued again, what it did not remove is left
    to a later execution. `registered` is the version whose event had started it, if it was one. Returns the rollout
    that ended with it, if it carried one out.
    """
    if registered is not None:
        queue_again(
            tenant_id,
            project,
            registered,
            deployments=deployments,
            limits=limits,
            policies=policies,
        )
    deployment, _ = deployments.find(tenant_id, project, name)
    if deployment is None:
        return None
    active = deployment.active
    if active is not None and active.execution == execution:
        reason = Reason(
            code=EXECUTION_ENDED,
            message=f"the state machine execution ended as {status}",
            remedy="Ask for a rollout again; if it ends so again, tell the platform's administrators.",
        )
        reference = RolloutReference(tenant_id, project, name, active.rollout_id, execution)
        fail_rollout(
            reference, RolloutState.FAILED, reason, deployments=deployments, unattended=True
        )
        return active.rollout_id
    event = _asked_again(tenant_id, project, deployment)
    if event is not None:
        deployments.save(tenant_id, project, deployment, deployment, [], event)
    return None


def keep_missing_evidence(
    tenant_id: str,
    project: str,
    name: str,
    *,
    deployments: DeploymentRepository,
    evidence: EvidenceStore,
) -> None:
    """Write the evidence of the deployment's latest rollouts that died with their executions and have none yet.

    Their ends are recorded once, so that a repeat after a failed write cannot know them by that. Raises
    UnavailableError, ConcurrentChangeError: call it again.
    """
    for rollout in deployments.list_rollouts(tenant_id, project, name, PageRequest()).items:
        died = rollout.reason is not None and rollout.reason.code == EXECUTION_ENDED
        if died and rollout.evidence is None:
            write_evidence(
                tenant_id,
                project,
                name,
                rollout.rollout_id,
                deployments=deployments,
                evidence=evidence,
            )


def _asked_again(tenant_id: str, project: str, deployment: Deployment) -> ServingEvent | None:
    """What asks for an execution once more, for what the dead one should have taken up."""
    active, waiting = deployment.active, deployment.waiting
    place = {"tenant_id": tenant_id, "project": project, "deployment": deployment.name}
    if active is not None:
        if active.execution:
            return None
        return RolloutHandedOver(
            **place,
            rollout_id=active.rollout_id,
            model_version=active.model_version,
            after_failure=True,
        )
    if waiting is not None:
        return RolloutRequested(
            **place,
            rollout_id=waiting.rollout_id,
            model_version=waiting.model_version,
            needs_execution=True,
            after_failure=True,
        )
    if deployment.retiring or deployment.deleting:
        return RetirementPostponed(**place)
    return None
