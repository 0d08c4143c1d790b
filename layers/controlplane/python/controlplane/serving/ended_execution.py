"""What is done when a state machine execution died without a word."""

from controlplane.reasons import Reason
from controlplane.serving.model import RetirementPostponed, RolloutRequested, RolloutState
from controlplane.serving.opening import RegisteredVersion, queue_again
from controlplane.serving.ports import DeploymentRepository, LimitDirectory
from controlplane.serving.rollout import RolloutReference, fail_rollout


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
) -> None:
    """Record what an execution left behind that died without a word (time-out, abort, run-time fault).

    Nothing that it should have done is lost: what it did not begin is queued again, what it did not remove is left
    to a later execution. `registered` is the version whose event had started it, if it was one.
    """
    if registered is not None:
        queue_again(tenant_id, project, registered, deployments=deployments, limits=limits)
    deployment, _ = deployments.find(tenant_id, project, name)
    if deployment is None:
        return
    active = deployment.active
    if active is not None and active.execution == execution:
        reason = Reason(
            code="ExecutionEnded",
            message=f"the state machine execution ended as {status}",
            remedy="Ask for a rollout again; if it ends so again, tell the platform's administrators.",
        )
        reference = RolloutReference(tenant_id, project, name, active.rollout_id, execution)
        fail_rollout(
            reference, RolloutState.FAILED, reason, deployments=deployments, unattended=True
        )
    elif active is None and deployment.waiting is not None:
        waiting = deployment.waiting
        asked_again = RolloutRequested(
            tenant_id=tenant_id,
            project=project,
            deployment=name,
            rollout_id=waiting.rollout_id,
            model_version=waiting.model_version,
            needs_execution=True,
            after_failure=True,
        )
        deployments.save(tenant_id, project, deployment, deployment, [], asked_again)
    elif active is None and (deployment.retiring or deployment.deleting):
        event = RetirementPostponed(tenant_id=tenant_id, project=project, deployment=name)
        deployments.save(tenant_id, project, deployment, deployment, [], event)
