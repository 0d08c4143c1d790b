"""Tenants over their life, and what is made for one."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controlplane.events import DomainEvent, EventAlias, announced_as
from controlplane.identifiers import Name, TenantId
from controlplane.limits import Isolation, Limits
from controlplane.reasons import Reason

DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]


class ClusterStep(StrEnum):
    """What onboarding makes in the cluster, in this order; offboarding removes it in the reverse."""

    NAMESPACES = "namespaces"
    ACCESS = "access"
    NETWORK = "network"
    QUOTAS = "quotas"
    QUEUES = "queues"
    NODES = "nodes"


class TenantStatus(StrEnum):
    """`OnboardingFailed` and `Offboarded`: nothing of the tenant is left but its record."""

    ONBOARDING = "Onboarding"
    ACTIVE = "Active"
    SUSPENDED = "Suspended"
    OFFBOARDING = "Offboarding"
    OFFBOARDED = "Offboarded"
    ONBOARDING_FAILED = "OnboardingFailed"


class StepState(StrEnum):
    """`Started` and `Removing` are written before the effect, the others after it."""

    STARTED = "Started"
    DONE = "Done"
    SKIPPED = "Skipped"
    REMOVING = "Removing"
    REMOVED = "Removed"


class StepRecord(BaseModel):
    """How far one step is. `position` is where a removal in pages goes on, `count` what it has removed."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: StepState
    started_at: datetime
    ended_at: datetime | None = None
    note: str | None = Field(default=None, description="Why it was skipped, or what it left")
    position: str | None = None
    count: int = 0


class Goal(StrEnum):
    """Where the present work on a tenant leads: to an active one, back to nothing, or to its end."""

    PROVISION = "Provision"
    WITHDRAW = "Withdraw"
    OFFBOARD = "Offboard"


class Work(BaseModel):
    """What is done to a tenant by state machine executions: one at a time, named in `execution`."""

    model_config = ConfigDict(frozen=True)

    goal: Goal
    requested_at: datetime
    steps: tuple[StepRecord, ...] = ()
    execution: str | None = None
    interruptions: int = 0
    resume_at: datetime | None = None
    reason: Reason | None = None

    def step(self, name: str) -> StepRecord | None:
        return next((step for step in self.steps if step.name == name), None)

    def with_step(self, record: StepRecord) -> Self:
        """The step's record in its place, or at the end."""
        known = any(step.name == record.name for step in self.steps)
        steps = tuple(record if step.name == record.name else step for step in self.steps)
        return self.model_copy(update={"steps": steps if known else (*steps, record)})

    def with_changes(self, **changes: object) -> Self:
        return self.model_copy(update=changes)


class Administrator(BaseModel):
    """The first administrator of a new tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(examples=["ada"])
    email: Email = Field(examples=["ada@example.com"])


class ServingState(StrEnum):
    """Whether a tenant's models run in the cluster; `-ing` until the cluster has been told."""

    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    RESUMING = "Resuming"


class Suspension(BaseModel):
    """Why a tenant may change nothing at present, and whether its models keep serving."""

    model_config = ConfigDict(frozen=True)

    serving: Literal["keep", "stop"]
    reason: str
    suspended_by: str
    suspended_at: datetime


class TenantRecord(BaseModel):
    """A tenant as its item holds it. `tier`, `isolation` and `limits` are the subscription's, materialised.

    `administrator` stays only until the person's own record holds it; `revoked_before` is in seconds since the
    epoch; `export` is where an offboarded tenant's records lie.
    """

    model_config = ConfigDict(frozen=True)

    tenant_id: TenantId
    display_name: str
    status: TenantStatus = TenantStatus.ACTIVE
    tier: str = "standard"
    isolation: Isolation = Isolation.SHARED
    limits: Limits = Limits()
    revoked_before: int = 0
    require_mfa: bool = False
    serving: ServingState = ServingState.RUNNING
    suspension: Suspension | None = None
    administrator: Administrator | None = None
    onboarding: Work | None = None
    offboarding: Work | None = None
    export: str | None = None
    created_at: datetime | None = None
    created_by: str = ""
    version: int = 1

    @property
    def work(self) -> Work | None:
        """The present work; None when nothing is being done to the tenant."""
        if self.status is TenantStatus.ONBOARDING:
            return self.onboarding
        return self.offboarding if self.status is TenantStatus.OFFBOARDING else None

    def with_work(self, work: Work) -> Self:
        name = "offboarding" if work.goal is Goal.OFFBOARD else "onboarding"
        return self.model_copy(update={name: work})

    def with_changes(self, **changes: object) -> Self:
        return self.model_copy(update=changes)


class TenantSummary(BaseModel):
    """A tenant's entry in the platform's directory."""

    model_config = ConfigDict(frozen=True)

    tenant_id: TenantId
    display_name: str
    status: TenantStatus
    tier: str
    created_at: datetime | None = None


class TenantRequest(BaseModel):
    """What a platform administrator sends to create a tenant."""

    model_config = ConfigDict(extra="forbid")

    tenant: TenantId = Field(description="Unique for ever, also after the tenant has gone")
    display_name: DisplayName = Field(examples=["Acme Corporation"])
    tier: Name = Field(default="standard", description="The tier that it subscribes to")
    administrator: Administrator


class TenantChange(BaseModel):
    """What can be changed of a tenant at once; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    display_name: DisplayName | None = None
    require_mfa: bool | None = None


class SuspensionRequest(BaseModel):
    """`keep` lets the tenant's models serve on, `stop` takes their pods away and keeps everything else."""

    model_config = ConfigDict(extra="forbid")

    serving: Literal["keep", "stop"] = "keep"
    reason: str = Field(min_length=1, max_length=300)


class TenantEvent(DomainEvent):
    capability: ClassVar[str] = "onboarding"

    @property
    def subject(self) -> str:
        return f"tenants/{self.tenant_id}"


class TenantOnboardingRequested(TenantEvent):
    """A tenant is to be made, or made again after it failed; asks for an execution of TenantOnboarding."""

    aliases: ClassVar[tuple[EventAlias, ...]] = (announced_as("onboardingRequest", by="control"),)
    goal: Goal = Goal.PROVISION
    tier: str
    isolation: Isolation
    requested_by: str


class TenantOnboarded(TenantEvent):
    aliases: ClassVar[tuple[EventAlias, ...]] = (
        announced_as("provisionSuccess"),
        announced_as("onboardingSuccess"),
    )
    tier: str


class TenantOnboardingFailed(TenantEvent):
    """Nothing of the tenant is left but its record."""

    aliases: ClassVar[tuple[EventAlias, ...]] = (
        announced_as("provisionFailure"),
        announced_as("onboardingFailure"),
    )
    tier: str
    reason: str


class TenantWorkInterrupted(TenantEvent):
    """An execution ended before its work did; asks for another one, which begins not before `resume_at`."""

    goal: Goal
    interruptions: int
    resume_at: datetime


class TenantChanged(TenantEvent):
    """`fields` names what was changed."""

    fields: tuple[str, ...]
    changed_by: str


class TenantSuspended(TenantEvent):
    aliases: ClassVar[tuple[EventAlias, ...]] = (announced_as("deactivateRequest", by="control"),)
    serving: Literal["keep", "stop"]
    suspended_by: str


class TenantActivated(TenantEvent):
    aliases: ClassVar[tuple[EventAlias, ...]] = (announced_as("activateRequest", by="control"),)
    activated_by: str


class TenantServingStopped(TenantEvent):
    """The pods of the suspended tenant's models are on their way out."""

    aliases: ClassVar[tuple[EventAlias, ...]] = (announced_as("deactivateSuccess"),)


class TenantServingResumed(TenantEvent):
    aliases: ClassVar[tuple[EventAlias, ...]] = (announced_as("activateSuccess"),)


class TenantTokensRevoked(TenantEvent):
    """Tokens that were issued before `revoked_before` (seconds since the epoch) open nothing any more."""

    revoked_before: int
    revoked_by: str


class TenantOffboardingRequested(TenantEvent):
    """The tenant is to go; asks for an execution of TenantOffboarding."""

    aliases: ClassVar[tuple[EventAlias, ...]] = (announced_as("offboardingRequest", by="control"),)
    goal: Goal = Goal.OFFBOARD
    tier: str
    requested_by: str


class TenantOffboarded(TenantEvent):
    """Nothing of the tenant is left but its tombstone, its audit trail and the export of its records."""

    aliases: ClassVar[tuple[EventAlias, ...]] = (
        announced_as("deprovisionSuccess"),
        announced_as("offboardingSuccess"),
    )
    tier: str
    removed: dict[str, int]
