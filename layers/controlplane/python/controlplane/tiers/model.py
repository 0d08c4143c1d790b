"""Tiers, the rights to them, and what happens to both."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from controlplane.events import DomainEvent
from controlplane.identifiers import Name
from controlplane.limits import Isolation, Limits, Quantity, Rate
from controlplane.reasons import Reason

Level = Annotated[int, Field(ge=0, le=1000, description="Of several tiers the highest level wins")]
Description = Annotated[str, Field(max_length=500)]

# A subscription of the tenant itself is called so; its others bear the name of the group that they are for.
WHOLE_TENANT = "tenant"
MAX_GROUPS = 100
MAX_FAILURES_SHOWN = 50


class LimitChanges(BaseModel):
    """Some of the limits; those that are left out stay as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_model_bytes: Quantity | None = None
    max_upload_files: Quantity | None = None
    projects: Quantity | None = None
    models: Quantity | None = None
    stored_bytes: Quantity | None = None
    deployments: Quantity | None = None
    concurrent_runs: Quantity | None = None
    cpu_millicores: Quantity | None = None
    memory_bytes: Quantity | None = None
    gpus: Quantity | None = None
    pods: Quantity | None = None
    requests: Rate | None = None
    tokens: Rate | None = None
    monthly_budget_micro_usd: Quantity | None = None

    def given(self) -> dict[str, int | Rate]:
        """The limits that are named, by name."""
        named = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in named.items() if value is not None}

    def over(self, limits: Limits) -> Limits:
        return limits.model_copy(update=self.given())


class TierLimits(Limits):
    """All limits of a tier; each has the default that is shown. Unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TierRequest(BaseModel):
    """What a platform administrator sends to create a tier."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Never changes", examples=["premium"])
    level: Level
    isolation: Isolation = Isolation.SHARED
    limits: TierLimits = TierLimits()
    description: Description = ""


class TierChange(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Level | None = None
    isolation: Isolation | None = None
    limits: LimitChanges = LimitChanges()
    description: Description | None = None


class Tier(BaseModel):
    """Named limits and an isolation mode.

    `generation` counts the changes that the tier's tenants have to be told of; 0 means there was none.
    """

    model_config = ConfigDict(frozen=True)

    name: Name
    level: int
    isolation: Isolation = Isolation.SHARED
    limits: Limits = Limits()
    description: str = ""
    groups: tuple[Name, ...] = ()
    generation: int = 0
    created_at: datetime | None = None
    version: int = 1

    @property
    def rank(self) -> tuple[int, str]:
        """Sorts tiers by level, the highest first, and by name among equals."""
        return -self.level, self.name


# There from the start, without anybody storing it: version 0 stands for a tier that has no item yet.
STANDARD = Tier(name="standard", level=10, description="What every tenant may use", version=0)


class PropagationState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class TenantFailure(BaseModel):
    """A tenant that a tier's change did not reach, and why."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    reason: Reason


class Propagation(BaseModel):
    """How far a tier's change has come.

    `page` is the number of the pages of tenants that are counted, `after` where the next begins. `failures` names
    the first of those that failed.
    """

    model_config = ConfigDict(frozen=True)

    generation: int
    state: PropagationState = PropagationState.PENDING
    execution: str = ""
    total: int = 0
    done: int = 0
    failed: int = 0
    failures: tuple[TenantFailure, ...] = ()
    page: int = 0
    after: str | None = None
    reason: Reason | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class TierUse(BaseModel):
    """Who has a right to a tier, and how its last change goes."""

    model_config = ConfigDict(frozen=True)

    tenants: int = 0
    group_subscriptions: int = 0
    propagation: Propagation | None = None


class ClusterState(StrEnum):
    """Whether the cluster's objects hold what the subscription says."""

    PENDING = "Pending"
    APPLIED = "Applied"
    FAILED = "Failed"


class SubscriptionRequest(BaseModel):
    """The tier that a tenant, or a group of it, is to have."""

    model_config = ConfigDict(extra="forbid")

    tier: Name
    overrides: LimitChanges = Field(
        default=LimitChanges(),
        description="Single limits that this tenant has instead of the tier's; not for groups",
    )


class Subscription(BaseModel):
    """A right to a tier: of the whole tenant (`subscriber` is `tenant`), or of one of its groups."""

    model_config = ConfigDict(frozen=True)

    subscriber: str
    tier: Name
    overrides: LimitChanges = LimitChanges()
    created_at: datetime
    cluster: ClusterState = ClusterState.APPLIED
    reason: Reason | None = None
    version: int = 1

    @property
    def is_tenant_wide(self) -> bool:
        return self.subscriber == WHOLE_TENANT


class RuleKind(StrEnum):
    """What can give a limit, the strongest first among rules of one level."""

    OVERRIDE = "override"
    GROUP_SUBSCRIPTION = "group-subscription"
    GROUP_MAPPING = "group-mapping"
    SUBSCRIPTION = "subscription"
    DEFAULT = "default"


class Rule(BaseModel):
    """What gives a limit: an override, or a tier and by what right."""

    model_config = ConfigDict(frozen=True)

    kind: RuleKind
    tier: str | None = None
    group: str | None = None


class TierEvent(DomainEvent):
    """Of the platform: its `tenant_id` is the platform's own."""

    capability: ClassVar[str] = "tiers"
    tier: Name

    @property
    def subject(self) -> str:
        return f"tiers/{self.tier}"


class TierCreated(TierEvent):
    created_by: str


class TierChanged(TierEvent):
    """`needs_execution` when the tenants of the tier have to be told: their limits are others now."""

    generation: int
    changed: tuple[str, ...]
    needs_execution: bool


class TierDeleted(TierEvent):
    deleted_by: str


class GroupMapped(TierEvent):
    group: Name


class GroupUnmapped(TierEvent):
    group: Name


class TierPropagationRequested(TierEvent):
    """Somebody asks for the tier's limits to be applied to all its tenants again."""

    generation: int
    needs_execution: bool = True


class TierPropagationContinued(TierEvent):
    """An execution has done its share of the pages; another one goes on."""

    generation: int
    page: int
    needs_execution: bool = True


class TierPropagationEnded(TierEvent):
    generation: int
    state: PropagationState
    done: int
    failed: int


class SubscriptionEvent(DomainEvent):
    capability: ClassVar[str] = "tiers"
    subscriber: str
    tier: Name

    @property
    def subject(self) -> str:
        return f"subscriptions/{self.subscriber}"


class SubscriptionChanged(SubscriptionEvent):
    """`needs_execution` when the tenant's own limits may be others now."""

    previous_tier: str | None = None
    overrides: tuple[str, ...] = ()
    needs_execution: bool


class SubscriptionDeleted(SubscriptionEvent):
    """A group of the tenant has no tier of its own any more."""


class TenantLimitsChanged(SubscriptionEvent):
    """The tier's change has reached the tenant; `limits` names what is different."""

    limits: tuple[str, ...]


def limits_that_differ(before: Limits, after: Limits) -> tuple[str, ...]:
    names: Mapping[str, Any] = Limits.model_fields
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))
