"""The state machines of a tenant's life as they are defined, run in memory over fakes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from controlplane.errors import HeadraceError, TenantWorkNotActiveError
from controlplane.onboarding.execution import (
    carry_out,
    finish,
    open_work,
    record_ended_execution,
    withdraw,
)
from controlplane.onboarding.model import (
    Administrator,
    Goal,
    TenantOffboardingRequested,
    TenantOnboardingRequested,
    TenantRecord,
    TenantRequest,
    TenantWorkInterrupted,
)
from controlplane.onboarding.plan import NOTHING, Direction, NextStep
from controlplane.onboarding.service import create_tenant, offboard_tenant
from controlplane.reasons import Reason
from tests.fakes.onboarding import (
    BrokenError,
    CrashedError,
    Crashes,
    MemoryTenantRecords,
    memory_parts,
)

T = TypeVar("T")
TENANT = "acme"
ATTEMPTS = 4  # of a task that fails, before its failure is caught
NO_PAUSE = timedelta(0)


class AbortedError(Exception):
    """Somebody stops the execution at the moment at which a function of it dies."""


@dataclass
class World:
    """A tenant's item, its objects, and the executions that its events start.

    `aborting` stops an execution where a function of it crashes; otherwise the task is tried again.
    """

    crashes: Crashes = field(default_factory=Crashes)
    objects: set[str] = field(default_factory=set)
    aborting: bool = False
    late: Callable[[], None] | None = None
    executions: int = 0
    handled: int = 0

    def __post_init__(self) -> None:
        self.tenants = MemoryTenantRecords(self.crashes)
        self.parts = memory_parts(self.objects, self.crashes)

    @property
    def tenant(self) -> TenantRecord:
        return self.tenants.get(TENANT)

    def ask_for(self, tier: str = "standard") -> TenantRecord:
        wanted = TenantRequest(
            tenant=TENANT,
            display_name="Acme",
            tier=tier,
            administrator=Administrator(name="ada", email="ada@example.com"),
        )
        return create_tenant(wanted, "sub-platform", None, tenants=self.tenants)

    def ask_to_leave(self) -> TenantRecord:
        return offboard_tenant(TENANT, "sub-platform", None, tenants=self.tenants)

    def deliver(self) -> None:
        """Start an execution for every event that asks for one, until nothing asks any more."""
        asking = TenantOnboardingRequested | TenantOffboardingRequested | TenantWorkInterrupted
        while self.handled < len(self.tenants.events):
            event = self.tenants.events[self.handled]
            self.handled += 1
            if isinstance(event, asking):
                self.execute(event.goal)

    def execute(self, goal: Goal) -> None:
        """One execution, from its first task to its recorded end."""
        self.executions += 1
        assert self.executions < 50, "the executions do not come to an end"
        execution = f"execution-{self.executions}"
        try:
            self._run(execution, offboarding=goal is Goal.OFFBOARD)
        except (AbortedError, BrokenError, CrashedError):
            self._record_end(execution)
            if self.late is not None:
                self.late()

    def _record_end(self, execution: str) -> None:
        """Lambda gives a function that died on an event the event again."""
        try:
            record_ended_execution(TENANT, execution, "ABORTED", NO_PAUSE, tenants=self.tenants)
        except CrashedError:
            record_ended_execution(TENANT, execution, "ABORTED", NO_PAUSE, tenants=self.tenants)

    def _run(self, execution: str, *, offboarding: bool) -> None:
        following = self._task(lambda: open_work(TENANT, execution, tenants=self.tenants), NOTHING)
        while following.kind != "Finish":
            if following.kind in ("Nothing", "Wait"):
                return
            following = self._step(execution, following, caught=not offboarding)
        self._task(lambda: str(finish(TENANT, execution, tenants=self.tenants)), "lost")

    def _step(self, execution: str, step: NextStep, *, caught: bool) -> NextStep:
        direction = Direction.APPLY if step.kind.startswith("Apply") else Direction.REMOVE

        def work() -> NextStep:
            return carry_out(
                TENANT, execution, step.name, direction, parts=self.parts, tenants=self.tenants
            )

        try:
            return self._task(work, NOTHING)
        except (BrokenError, CrashedError) as crashed:
            if direction is Direction.REMOVE or not caught:
                raise
            reason = Reason(code=type(crashed).__name__, message=str(crashed))
            return self._task(
                lambda: withdraw(TENANT, execution, reason, tenants=self.tenants), NOTHING
            )

    def _task(self, work: Callable[[], T], lost: T) -> T:
        """A task with its retries; one that has lost the tenant ends its execution."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work()
            except TenantWorkNotActiveError:
                return lost
            except (BrokenError, CrashedError, HeadraceError) as failed:
                if self.aborting and isinstance(failed, CrashedError):
                    raise AbortedError from failed
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")
