"""Letting a version serve, or not: who decided, when, and in whose words why."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from controlplane.errors import ForbiddenError
from controlplane.identifiers import now
from controlplane.registry.gates import too_few_eyes
from controlplane.registry.governance_ports import VersionCase, VersionRepository
from controlplane.registry.model import (
    Approval,
    ApprovalState,
    ModelVersion,
    RegistryEvent,
    VersionApproved,
    VersionRejected,
)
from controlplane.requests import require_version


class ApprovalDecision(BaseModel):
    """What a caller sends to approve or reject a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


def approve_version(
    tenant_id: str,
    project: str,
    model: str,
    number: int,
    reason: str,
    approver: str,
    if_match: int | None,
    *,
    versions: VersionRepository,
) -> ModelVersion:
    """Let a version serve, as far as people have a say. Saying the same again changes nothing.

    Raises NotFoundError, PreconditionFailedError, ForbiddenError where the project wants four eyes.
    """
    case = versions.get_case(tenant_id, project, model, number)
    require_version(if_match, case.version.version, f"version {number}")
    _require_four_eyes(case, approver)
    event = VersionApproved(
        tenant_id=tenant_id,
        project=project,
        model=model,
        model_version=number,
        position=case.version.position,
        approved_by=approver,
    )
    state = ApprovalState.APPROVED
    return _decide(tenant_id, project, case.version, state, reason, approver, event, versions)


def reject_version(
    tenant_id: str,
    project: str,
    model: str,
    number: int,
    reason: str,
    rejecter: str,
    if_match: int | None,
    *,
    versions: VersionRepository,
) -> ModelVersion:
    """Let nobody roll a version out. What serves it already goes on; its own uploader may reject it.

    Raises NotFoundError, PreconditionFailedError.
    """
    version = versions.get_version(tenant_id, project, model, number)
    require_version(if_match, version.version, f"version {number}")
    event = VersionRejected(
        tenant_id=tenant_id,
        project=project,
        model=model,
        model_version=number,
        rejected_by=rejecter,
    )
    state = ApprovalState.REJECTED
    return _decide(tenant_id, project, version, state, reason, rejecter, event, versions)


def _decide(
    tenant_id: str,
    project: str,
    version: ModelVersion,
    state: ApprovalState,
    reason: str,
    actor: str,
    event: RegistryEvent,
    versions: VersionRepository,
) -> ModelVersion:
    known = version.approval
    if (known.state, known.actor, known.reason) == (state, actor, reason):
        return version
    approval = Approval(state=state, actor=actor, reason=reason, decided_at=now())
    decided = version.model_copy(update={"approval": approval, "version": version.version + 1})
    versions.change_version(tenant_id, project, version, decided, event)
    return decided


def _require_four_eyes(case: VersionCase, approver: str) -> None:
    why_not = too_few_eyes(case.policy, case.version, approver)
    if why_not is not None:
        raise ForbiddenError(
            f"you cannot approve version {case.version.number}: {why_not.message}",
            remedy=why_not.remedy,
        )
