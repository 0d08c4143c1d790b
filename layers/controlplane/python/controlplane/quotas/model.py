"""What tenants use of what they may use, and what is done when the count was wrong."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from controlplane.events import DomainEvent
from controlplane.limits import Limits


class Use(BaseModel):
    """How much there is of everything that is counted; bytes, else pieces."""

    model_config = ConfigDict(frozen=True)

    projects: int = 0
    models: int = 0
    stored_bytes: int = 0
    deployments: int = 0
    concurrent_runs: int = 0


@dataclass(frozen=True)
class Counted:
    """The use as it is counted; `version` is 0 when nothing was ever counted."""

    use: Use
    version: int


@dataclass(frozen=True)
class TenantUse:
    """One tenant's use beside its limits."""

    tenant_id: str
    status: str
    tier: str
    use: Use
    limits: Limits


@dataclass(frozen=True)
class RecentChange:
    """Something that happened to a tenant of late, as its audit trail tells it; `at` in RFC 3339."""

    at: str
    action: str
    resource: str
    actor: str


class QuotaCorrected(DomainEvent):
    """The count of a tenant's use was not the truth. That is a defect: the count is kept by every change itself."""

    capability: ClassVar[str] = "quotas"

    counted: Use
    found: Use

    @property
    def subject(self) -> str:
        return "quotas"
