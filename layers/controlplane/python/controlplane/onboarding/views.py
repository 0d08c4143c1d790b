"""Tenants as the API shows them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel, Field

from controlplane.limits import Limits, Quota
from controlplane.onboarding.model import (
    ServingState,
    StepState,
    Suspension,
    TenantRecord,
    TenantStatus,
    TenantSummary,
)
from controlplane.reasons import Reason


class StepView(BaseModel):
    """One step of the tenant's on- or offboarding."""

    name: str
    state: StepState
    started_at: datetime
    ended_at: datetime | None
    count: int = Field(description="How many objects, items or users it has removed")
    note: str | None


class HeldQuota(BaseModel):
    """What a suspended tenant still holds of one quota. `used` is null where only the cluster counts it."""

    quota: str
    limit: int
    used: int | None
    held: bool = Field(
        description="Whether the quota is still taken; if not, it has been given back"
    )


class TenantSummaryView(BaseModel):
    """A tenant in the platform's list."""

    tenant: str
    display_name: str
    status: TenantStatus
    tier: str
    created_at: datetime | None

    @classmethod
    def of(cls, summary: TenantSummary) -> Self:
        return cls(tenant=summary.tenant_id, **summary.model_dump(exclude={"tenant_id"}))


class TenantView(BaseModel):
    """A tenant. `steps` are those of its offboarding if it has one, else of its onboarding."""

    tenant: str
    display_name: str
    status: TenantStatus
    tier: str
    isolation: str
    limits: Limits
    require_mfa: bool
    tokens_revoked_before: datetime | None
    serving: ServingState
    suspension: Suspension | None
    steps: list[StepView]
    reason: Reason | None = Field(
        description="Why its onboarding failed or its work was interrupted"
    )
    interruptions: int
    next_attempt_at: datetime | None
    export: str | None = Field(description="Where an offboarded tenant's records lie")
    created_at: datetime | None
    created_by: str

    @classmethod
    def of(cls, tenant: TenantRecord) -> Self:
        return cls(**_described(tenant))


class SuspendedTenantView(TenantView):
    """A suspended tenant, with the quotas that it still holds."""

    holds: list[HeldQuota]

    @classmethod
    def of_suspended(cls, tenant: TenantRecord, used: Mapping[Quota, int]) -> Self:
        return cls(**_described(tenant), holds=held_quotas(tenant, used))


def held_quotas(tenant: TenantRecord, used: Mapping[Quota, int]) -> list[HeldQuota]:
    """Everything counted in the table stays held; the cluster's share does only while the models serve on."""
    limits = tenant.limits.model_dump()
    counted = [
        HeldQuota(quota=name, limit=limits[name], used=amount, held=amount > 0)
        for name, amount in used.items()
    ]
    serves = tenant.serving in (ServingState.RUNNING, ServingState.RESUMING)
    in_cluster = [
        HeldQuota(quota=name, limit=limits[name], used=None, held=serves)
        for name in ("cpu_millicores", "memory_bytes", "gpus", "pods")
    ]
    return counted + in_cluster


def _described(tenant: TenantRecord) -> dict[str, object]:
    work = tenant.offboarding or tenant.onboarding
    mark = tenant.revoked_before
    return {
        "tenant": tenant.tenant_id,
        "display_name": tenant.display_name,
        "status": tenant.status,
        "tier": tenant.tier,
        "isolation": tenant.isolation,
        "limits": tenant.limits,
        "require_mfa": tenant.require_mfa,
        "tokens_revoked_before": datetime.fromtimestamp(mark, UTC) if mark else None,
        "serving": tenant.serving,
        "suspension": tenant.suspension,
        "steps": [StepView(**step.model_dump()) for step in work.steps] if work else [],
        "reason": work.reason if work else None,
        "interruptions": work.interruptions if work else 0,
        "next_attempt_at": work.resume_at if work else None,
        "export": tenant.export,
        "created_at": tenant.created_at,
        "created_by": tenant.created_by,
    }
