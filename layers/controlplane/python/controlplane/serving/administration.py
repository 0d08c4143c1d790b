"""What callers set up and switch: a deployment before its first version, its settings, and whether it runs."""

from controlplane.errors import ConflictError, InUseError
from controlplane.identifiers import now
from controlplane.requests import IdempotentRequest, require_version
from controlplane.serving.deployment_events import (
    DeploymentCreated,
    DeploymentResumed,
    DeploymentSettingsChanged,
    DeploymentStopped,
    ServingPolicyChanged,
)
from controlplane.serving.model import Deployment, DeploymentRequest, ServingState
from controlplane.serving.ports import DeploymentRepository, ServingPolicyRepository
from controlplane.serving.project_policy import ServingPolicy, ServingRules
from controlplane.serving.settings import DeploymentSettings

_STOPPED = (ServingState.STOPPING, ServingState.STOPPED)


def create_deployment(
    tenant_id: str,
    project: str,
    wanted: DeploymentRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    deployments: DeploymentRepository,
) -> Deployment:
    """A deployment that serves nothing until a version is rolled out to it.

    Raises NotFoundError for an unknown project, AlreadyExistsError, IdempotencyKeyReusedError.
    """
    deployment = Deployment(
        name=wanted.name, model=wanted.model, created_at=now(), settings=wanted.settings, version=1
    )
    event = DeploymentCreated(
        tenant_id=tenant_id,
        project=project,
        deployment=wanted.name,
        model=wanted.model,
        created_by=created_by,
    )
    return deployments.add(tenant_id, project, deployment, event, request)


def change_settings(
    tenant_id: str,
    project: str,
    name: str,
    settings: DeploymentSettings,
    changed_by: str,
    if_match: int | None,
    *,
    deployments: DeploymentRepository,
) -> Deployment:
    """Set what the next rollout goes by; a rollout that runs keeps what it began with.

    Rolling out the version that is served already applies the settings to it. Raises NotFoundError,
    PreconditionFailedError, ConcurrentChangeError.
    """
    before = _present(tenant_id, project, name, if_match, deployments)
    if before.settings == settings:
        return before
    event = DeploymentSettingsChanged(
        tenant_id=tenant_id, project=project, deployment=name, changed_by=changed_by
    )
    after = before.with_changes(settings=settings)
    deployments.save(tenant_id, project, before, after, [], event)
    return after.with_changes(version=before.version + 1)


def stop_deployment(
    tenant_id: str,
    project: str,
    name: str,
    stopped_by: str,
    if_match: int | None,
    *,
    deployments: DeploymentRepository,
) -> Deployment:
    """Take the pods away and keep everything else; stopping twice is harmless.

    Raises NotFoundError, PreconditionFailedError, ConflictError where there is nothing to stop, InUseError while a
    rollout runs or waits.
    """
    before = _present(tenant_id, project, name, if_match, deployments)
    if before.serving in _STOPPED:
        return before
    if before.active or before.waiting:
        raise InUseError(
            f"a rollout of deployment {name} is not over",
            remedy="Stop it when the rollout has ended, or abort the rollout first.",
        )
    if before.stable is None:
        raise ConflictError(
            f"deployment {name} serves nothing", remedy="Roll a version out to it first."
        )
    event = DeploymentStopped(
        tenant_id=tenant_id, project=project, deployment=name, stopped_by=stopped_by
    )
    after = before.with_changes(serving=ServingState.STOPPING)
    deployments.save(tenant_id, project, before, after, [], event)
    return after.with_changes(version=before.version + 1)


def resume_deployment(
    tenant_id: str,
    project: str,
    name: str,
    resumed_by: str,
    if_match: int | None,
    *,
    deployments: DeploymentRepository,
) -> Deployment:
    """Let it run again as it was; resuming what runs is harmless. Raises NotFoundError, PreconditionFailedError."""
    before = _present(tenant_id, project, name, if_match, deployments)
    if before.serving not in _STOPPED:
        return before
    event = DeploymentResumed(
        tenant_id=tenant_id, project=project, deployment=name, resumed_by=resumed_by
    )
    after = before.with_changes(serving=ServingState.RESUMING)
    deployments.save(tenant_id, project, before, after, [], event)
    return after.with_changes(version=before.version + 1)


def put_serving_policy(
    tenant_id: str,
    project: str,
    rules: ServingRules,
    changed_by: str,
    if_match: int | None,
    *,
    policies: ServingPolicyRepository,
) -> ServingPolicy:
    """Raises NotFoundError for an unknown project, PreconditionFailedError, ConcurrentChangeError."""
    present = policies.get(tenant_id, project)
    require_version(if_match, present.version, "the serving policy")
    if present.rules == rules:
        return present
    changed = present.replaced_by(rules)
    event = ServingPolicyChanged(tenant_id=tenant_id, project=project, changed_by=changed_by)
    policies.put(tenant_id, project, changed, event)
    return changed


def _present(
    tenant_id: str,
    project: str,
    name: str,
    if_match: int | None,
    deployments: DeploymentRepository,
) -> Deployment:
    found = deployments.get(tenant_id, project, name)
    require_version(if_match, found.version, f"deployment {name}")
    if found.deleting:
        raise ConflictError(
            f"deployment {name} is being deleted", remedy="Create it again when it has gone."
        )
    return found
