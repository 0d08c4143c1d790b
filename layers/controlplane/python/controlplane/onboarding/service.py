"""What platform administrators can do with tenants."""

from controlplane.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidRequestError,
)
from controlplane.identifiers import is_reserved_tenant_id, now, revocation_mark
from controlplane.onboarding.model import (
    Goal,
    ServingState,
    StepState,
    Suspension,
    SuspensionRequest,
    TenantActivated,
    TenantChange,
    TenantChanged,
    TenantOffboardingRequested,
    TenantOnboardingRequested,
    TenantRecord,
    TenantRequest,
    TenantStatus,
    TenantSuspended,
    TenantTokensRevoked,
    Work,
)
from controlplane.onboarding.ports import TenantRepository, TierTerms
from controlplane.requests import IdempotentRequest, require_version

_STAYS = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)


def create_tenant(
    wanted: TenantRequest,
    requested_by: str,
    request: IdempotentRequest | None,
    *,
    tenants: TenantRepository,
) -> TenantRecord:
    """Ask for a tenant to be made. Repeating it resumes one that could not be made.

    Raises InvalidRequestError for a reserved name or an unknown tier, AlreadyExistsError for a name that was ever
    used, ConflictError while an earlier attempt is being taken back, IdempotencyKeyReusedError.
    """
    if is_reserved_tenant_id(wanted.tenant):
        raise InvalidRequestError(
            f"no tenant may be called {wanted.tenant}", remedy="Choose another name."
        )
    basis = tenants.read_basis(wanted.tenant, wanted.tier, request)
    if basis.first_answer is not None:
        return basis.first_answer
    if basis.terms is None:
        raise InvalidRequestError(
            f"there is no tier {wanted.tier}", remedy="Create the tier first, or choose another."
        )
    known = basis.tenant
    if known is None or known.status is TenantStatus.ONBOARDING_FAILED:
        fresh = _new_tenant(wanted, requested_by, basis.terms, known)
    elif known.status is TenantStatus.ONBOARDING:
        fresh = _resumed(known, wanted)
    else:
        raise AlreadyExistsError(
            f"there is or was already a tenant {wanted.tenant}",
            remedy="Choose another name: names of tenants are never used again.",
        )
    if fresh is known:
        return fresh
    event = TenantOnboardingRequested(
        tenant_id=fresh.tenant_id,
        tier=fresh.tier,
        isolation=fresh.isolation,
        requested_by=requested_by,
    )
    return tenants.save(known, fresh, event, request)


def change_tenant(
    tenant_id: str,
    wanted: TenantChange,
    changed_by: str,
    if_match: int | None,
    *,
    tenants: TenantRepository,
) -> TenantRecord:
    """Raises NotFoundError, PreconditionFailedError, ConflictError for a tenant that is coming or going."""
    tenant = _present(tenants.get(tenant_id), if_match)
    changes = {
        name: value
        for name, value in wanted.model_dump(exclude_none=True).items()
        if getattr(tenant, name) != value
    }
    if not changes:
        return tenant
    event = TenantChanged(tenant_id=tenant_id, fields=tuple(sorted(changes)), changed_by=changed_by)
    return tenants.save(tenant, tenant.with_changes(**changes), event)


def suspend_tenant(
    tenant: TenantRecord,
    wanted: SuspensionRequest,
    suspended_by: str,
    if_match: int | None,
    *,
    tenants: TenantRepository,
) -> TenantRecord:
    """Refuse all further changes of the tenant, and stop its serving if that is wanted.

    Suspending again changes whether it serves. Raises PreconditionFailedError, ConflictError.
    """
    tenant = _present(tenant, if_match)
    before = tenant.suspension
    if before and (before.serving, before.reason) == (wanted.serving, wanted.reason):
        return tenant
    suspension = Suspension(
        serving=wanted.serving,
        reason=wanted.reason,
        suspended_by=suspended_by,
        suspended_at=before.suspended_at if before else now(),
    )
    changed = tenant.with_changes(
        status=TenantStatus.SUSPENDED,
        suspension=suspension,
        serving=_serving(tenant.serving, runs=wanted.serving == "keep"),
    )
    event = TenantSuspended(
        tenant_id=tenant.tenant_id, serving=wanted.serving, suspended_by=suspended_by
    )
    return tenants.save(tenant, changed, event)


def activate_tenant(
    tenant_id: str, activated_by: str, if_match: int | None, *, tenants: TenantRepository
) -> TenantRecord:
    """End a suspension. Raises NotFoundError, PreconditionFailedError, ConflictError."""
    tenant = _present(tenants.get(tenant_id), if_match)
    if tenant.status is TenantStatus.ACTIVE:
        return tenant
    changed = tenant.with_changes(
        status=TenantStatus.ACTIVE, suspension=None, serving=_serving(tenant.serving, runs=True)
    )
    event = TenantActivated(tenant_id=tenant_id, activated_by=activated_by)
    return tenants.save(tenant, changed, event)


def revoke_tokens(
    tenant_id: str, revoked_by: str, if_match: int | None, *, tenants: TenantRepository
) -> TenantRecord:
    """Refuse every token that was issued to the tenant's people and machines until now.

    Raises NotFoundError, PreconditionFailedError, ConflictError.
    """
    tenant = _present(tenants.get(tenant_id), if_match)
    latest = max(revocation_mark(now()), tenant.revoked_before)
    event = TenantTokensRevoked(tenant_id=tenant_id, revoked_before=latest, revoked_by=revoked_by)
    return tenants.save(tenant, tenant.with_changes(revoked_before=latest), event)


def offboard_tenant(
    tenant_id: str, requested_by: str, if_match: int | None, *, tenants: TenantRepository
) -> TenantRecord:
    """Ask for a tenant to be taken away with all it has. Repeating it resumes what has stopped.

    Raises NotFoundError, PreconditionFailedError, and ConflictError while the tenant is still being made.
    """
    tenant = tenants.get(tenant_id)
    require_version(if_match, tenant.version, f"tenant {tenant.tenant_id}")
    if tenant.status is TenantStatus.ONBOARDING:
        raise ConflictError(
            f"tenant {tenant_id} is still being made",
            remedy="Offboard it when its onboarding has ended, well or not.",
        )
    if tenant.status is TenantStatus.OFFBOARDED or (tenant.work and tenant.work.execution):
        return tenant
    work = tenant.work or Work(goal=Goal.OFFBOARD, requested_at=now())
    latest = max(revocation_mark(now()), tenant.revoked_before)
    changed = tenant.with_work(work.with_changes(resume_at=None)).with_changes(
        status=TenantStatus.OFFBOARDING, revoked_before=latest
    )
    event = TenantOffboardingRequested(
        tenant_id=tenant_id, tier=tenant.tier, requested_by=requested_by
    )
    return tenants.save(tenant, changed, event)


def _new_tenant(
    wanted: TenantRequest, requested_by: str, terms: TierTerms, failed: TenantRecord | None
) -> TenantRecord:
    moment = now()
    return TenantRecord(
        tenant_id=wanted.tenant,
        display_name=wanted.display_name,
        status=TenantStatus.ONBOARDING,
        tier=terms.name,
        isolation=terms.isolation,
        limits=terms.limits,
        administrator=wanted.administrator,
        onboarding=Work(goal=Goal.PROVISION, requested_at=moment),
        created_at=failed.created_at if failed else moment,
        created_by=failed.created_by if failed else requested_by,
        version=failed.version if failed else 1,
    )


def _resumed(tenant: TenantRecord, wanted: TenantRequest) -> TenantRecord:
    """The tenant to be made, if its work has stopped and nothing of it has been removed yet; else as it is."""
    work = tenant.onboarding
    if work is None or (work.goal is Goal.PROVISION and work.execution):
        return tenant
    removed = {StepState.REMOVING, StepState.REMOVED}
    if work.execution or any(step.state in removed for step in work.steps):
        raise ConflictError(
            f"tenant {tenant.tenant_id} is being taken back",
            remedy="Repeat the request when its status is OnboardingFailed.",
        )
    if wanted.tier != tenant.tier:
        raise ConflictError(
            f"tenant {tenant.tenant_id} is being made with tier {tenant.tier}",
            remedy="Name that tier; subscribe the tenant to another one when it is active.",
        )
    again = work.with_changes(goal=Goal.PROVISION, reason=None)
    return tenant.with_work(again).with_changes(
        display_name=wanted.display_name, administrator=wanted.administrator
    )


def _present(tenant: TenantRecord, if_match: int | None) -> TenantRecord:
    """The tenant, if it can be changed now."""
    require_version(if_match, tenant.version, f"tenant {tenant.tenant_id}")
    if tenant.status not in _STAYS:
        raise ConflictError(
            f"tenant {tenant.tenant_id} is {tenant.status.value}",
            remedy="Only active and suspended tenants can be changed.",
        )
    return tenant


def _serving(present: ServingState, *, runs: bool) -> ServingState:
    if runs:
        is_up = present is ServingState.RUNNING
        return ServingState.RUNNING if is_up else ServingState.RESUMING
    return ServingState.STOPPED if present is ServingState.STOPPED else ServingState.STOPPING
