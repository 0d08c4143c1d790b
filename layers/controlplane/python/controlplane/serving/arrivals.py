"""A version that was registered or approved just now: whether it rolls out by itself, and as what."""

from dataclasses import dataclass, replace
from datetime import datetime

from controlplane.errors import NotFoundError
from controlplane.identifiers import now
from controlplane.requests import digest
from controlplane.serving.model import Deployment, Rollout, RolloutTicket
from controlplane.serving.ports import DeploymentRepository, ServingPolicyRepository
from controlplane.serving.project_policy import ServingRules
from controlplane.serving.states import RolloutState


@dataclass(frozen=True)
class RegisteredVersion:
    """A model version that has just been registered, or approved, from its event.

    `occasion` tells an approval's rollout from the one of the registration, which may have failed for want of it.
    """

    model: str
    number: int
    position: str
    registered_at: datetime
    occasion: str = ""


def ticket_of(tenant_id: str, project: str, registered: RegisteredVersion) -> RolloutTicket:
    version = (tenant_id, project, registered.model, str(registered.number))
    identity = digest(*version, *([registered.occasion] if registered.occasion else []))
    return RolloutTicket(
        rollout_id=f"r-{identity[:16]}",
        model_version=registered.number,
        position=registered.position,
        requested_by="approval" if registered.occasion else "registration",
        requested_at=registered.registered_at,
    )


def rules_for(
    tenant_id: str,
    project: str,
    name: str,
    registered: RegisteredVersion | None,
    known: Rollout | None,
    *,
    deployments: DeploymentRepository,
    policies: ServingPolicyRepository,
) -> ServingRules | None:
    """What a version that nobody has asked to roll out goes by; None where it is not to be rolled out by itself.

    An approval asks for a rollout only if the version's own has ended for want of it, or may be about to.
    """
    if registered is None or known is not None:
        return ServingRules()
    if registered.occasion:
        first = ticket_of(tenant_id, project, replace(registered, occasion=""))
        _, rollout = deployments.find(tenant_id, project, name, first.rollout_id)
        if rollout is None or not _may_lack_approval(rollout):
            return None
    try:
        rules = policies.get(tenant_id, project).rules
    except NotFoundError:  # the project is deleted, and with it the version
        return None
    return rules if rules.auto_deploy else None


def _may_lack_approval(rollout: Rollout) -> bool:
    """Whether it was refused for want of an approval, or its check, which freezes the plan, may be refusing it now.

    In the second case it may pass as well, and the version rolls out twice: that changes nothing.
    """
    if rollout.state is RolloutState.RUNNING:
        return rollout.plan is None
    return rollout.reason is not None and rollout.reason.code == "NotApproved"


def serves_another_model(
    deployment: Deployment | None, registered: RegisteredVersion | None
) -> bool:
    """Whether a deployment that was made for another model bears the name of the version's."""
    if deployment is None or registered is None:
        return False
    return deployment.model != registered.model


def deployment_for(registered: RegisteredVersion, rules: ServingRules) -> Deployment:
    """A model's own deployment bears its name."""
    return Deployment(
        name=registered.model,
        model=registered.model,
        created_at=now(),
        settings=rules.settings,
    )
