"""What a tenant may use, and the claims on it that a change brings along.

Every quantity is an integer: bytes, millicores, seconds, pieces, micro-dollars.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from controlplane.errors import QuotaExceededError

MIB = 1024 * 1024
GIB = 1024 * MIB

Quantity = Annotated[int, Field(ge=0, le=10**15)]
# What is counted in the table while it exists; the other limits hold for a single thing or in the cluster.
Quota = Literal["projects", "models", "stored_bytes", "deployments", "concurrent_runs"]

_THINGS: dict[Quota, str] = {
    "projects": "projects",
    "models": "models",
    "stored_bytes": "bytes of model versions",
    "deployments": "deployments",
    "concurrent_runs": "runs at a time",
}


class Isolation(StrEnum):
    """Whether a tenant's pods share nodes with others', or have nodes of their own."""

    SHARED = "shared"
    DEDICATED = "dedicated"


class Rate(BaseModel):
    """At most `limit` in any window of `window_seconds`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Quantity
    window_seconds: Annotated[int, Field(ge=1, le=31 * 24 * 3600)]


class Limits(BaseModel):
    """What one tenant may use. The defaults are those of the tier `standard`."""

    model_config = ConfigDict(frozen=True)

    max_model_bytes: Quantity = Field(default=20 * GIB, description="Bytes of one model version")
    max_upload_files: Quantity = Field(default=250, description="Files of one upload")
    projects: Quantity = 50
    models: Quantity = 200
    stored_bytes: Quantity = Field(default=500 * GIB, description="Bytes of all model versions")
    deployments: Quantity = 50
    concurrent_runs: Quantity = 10
    cpu_millicores: Quantity = Field(default=32_000, description="Of all the tenant's pods")
    memory_bytes: Quantity = Field(default=128 * GIB, description="Of all the tenant's pods")
    gpus: Quantity = 4
    pods: Quantity = 200
    requests: Rate = Rate(limit=10_000, window_seconds=60)
    tokens: Rate = Rate(limit=1_000_000, window_seconds=60)
    monthly_budget_micro_usd: Quantity = 1_000_000_000


@dataclass(frozen=True)
class Reservation:
    """A change needs `amount` more of a quota, of which the tenant may use `limit`; less than 0 gives it back."""

    quota: Quota
    amount: int
    limit: int


def quota_exceeded(reservation: Reservation, used: int) -> QuotaExceededError:
    """The refusal of a change for which there is no room; it names limit, use and remedy."""
    things = _THINGS[reservation.quota]
    return QuotaExceededError(
        f"the tenant's tier allows {reservation.limit} {things}; "
        f"{used} are in use and {reservation.amount} more were asked for",
        remedy=f"Delete {things} that are not needed, or ask the platform's administrators for a higher tier.",
    )


@dataclass(frozen=True)
class TenantPlan:
    """What the cluster is to hold of a tenant: its limits, and for dedicated isolation nodes of its own."""

    tenant_id: str
    isolation: Isolation
    limits: Limits
