"""What administrators may ask of a tenant, in each of its states."""

from datetime import timedelta

import pytest

from controlplane.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidRequestError,
    PreconditionFailedError,
)
from controlplane.identifiers import now
from controlplane.onboarding.execution import open_work, record_ended_execution
from controlplane.onboarding.model import (
    Goal,
    ServingState,
    SuspensionRequest,
    TenantChange,
    TenantStatus,
    TenantSuspended,
    TenantWorkInterrupted,
)
from controlplane.onboarding.service import (
    activate_tenant,
    change_tenant,
    revoke_tokens,
    suspend_tenant,
)
from controlplane.onboarding.serving_switch import switch_serving
from tests.unit.onboarding.world import TENANT, World

BY = "sub-platform"


@pytest.fixture
def world() -> World:
    """With an active tenant."""
    made = World()
    made.ask_for()
    made.deliver()
    return made


class Switch:
    """A ServingSwitch that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stop_serving(self, tenant_id: str) -> None:
        self.told.append(f"stop {tenant_id}")

    def resume_serving(self, tenant_id: str) -> None:
        self.told.append(f"resume {tenant_id}")


def suspend(world: World, serving: str = "stop") -> None:
    wanted = SuspensionRequest.model_validate({"serving": serving, "reason": "unpaid"})
    suspend_tenant(world.tenant, wanted, BY, None, tenants=world.tenants)


def test_request_for_a_tenant_in_the_making_changes_nothing() -> None:
    world = World()
    first = world.ask_for()
    open_work(TENANT, "execution-1", tenants=world.tenants)
    again = world.ask_for()
    assert again.version == first.version + 1  # the execution's own mark
    assert len(world.tenants.events) == 1


def test_other_tier_is_refused_while_the_tenant_is_in_the_making() -> None:
    world = World()
    world.ask_for()
    with pytest.raises(ConflictError, match="with tier standard"):
        world.ask_for("dedicated")
    with pytest.raises(InvalidRequestError, match="no tier golden"):
        world.ask_for("golden")


def test_tenant_that_is_being_taken_back_is_not_resumed() -> None:
    world = World()
    world.ask_for()
    open_work(TENANT, "execution-1", tenants=world.tenants)
    record_ended_execution(TENANT, "execution-1", "ABORTED", timedelta(0), tenants=world.tenants)
    open_work(TENANT, "execution-2", tenants=world.tenants)
    with pytest.raises(ConflictError, match="taken back"):
        world.ask_for()


def test_name_of_a_tenant_that_has_gone_is_not_used_again(world: World) -> None:
    world.ask_to_leave()
    world.deliver()
    assert world.tenant.status is TenantStatus.OFFBOARDED
    with pytest.raises(AlreadyExistsError, match="was already"):
        world.ask_for()
    assert world.ask_to_leave() == world.tenant


def test_tenant_in_the_making_cannot_be_offboarded() -> None:
    world = World()
    world.ask_for()
    with pytest.raises(ConflictError, match="still being made"):
        world.ask_to_leave()


def test_interrupted_work_waits_longer_each_time_up_to_an_hour() -> None:
    world = World()
    world.ask_for()
    pauses = []
    for number in range(1, 12):
        execution = f"execution-{number}"
        tenant = world.tenant
        assert tenant.work
        resumed = tenant.with_work(tenant.work.with_changes(execution=execution))
        world.tenants.save(tenant, resumed)
        moment = now()
        record_ended_execution(
            TENANT, execution, "FAILED", timedelta(seconds=90), tenants=world.tenants
        )
        event = world.tenants.events[-1]
        assert isinstance(event, TenantWorkInterrupted)
        pauses.append(round((event.resume_at - moment) / timedelta(seconds=1)))
    assert pauses[:4] == [90, 180, 360, 720]
    assert max(pauses) == 3600
    assert world.tenant.work
    assert world.tenant.work.goal is Goal.WITHDRAW
    assert open_work(TENANT, "execution-99", tenants=world.tenants).kind == "Wait"


def test_end_of_a_foreign_execution_changes_nothing(world: World) -> None:
    before = world.tenant
    record_ended_execution(TENANT, "another", "FAILED", timedelta(0), tenants=world.tenants)
    record_ended_execution("nobody", "another", "FAILED", timedelta(0), tenants=world.tenants)
    assert world.tenant == before


@pytest.mark.parametrize("serving", ["keep", "stop"])
def test_suspension_stops_serving_by_choice_once(world: World, serving: str) -> None:
    suspend(world, serving)
    suspend(world, serving)  # the same again
    assert [type(e) for e in world.tenants.events].count(TenantSuspended) == 1
    switch = Switch()
    for _ in range(2):
        switch_serving(TENANT, tenants=world.tenants, cluster=switch)
    assert switch.told == ([f"stop {TENANT}"] if serving == "stop" else [])

    activate_tenant(TENANT, BY, None, tenants=world.tenants)
    for _ in range(2):
        switch_serving(TENANT, tenants=world.tenants, cluster=switch)
    assert world.tenant.serving is ServingState.RUNNING
    assert switch.told[1:] == ([f"resume {TENANT}"] if serving == "stop" else [])


def test_activation_in_the_middle_of_a_stop_wins(world: World) -> None:
    """The stop's record fails, the event is delivered again, and then what the item says now is done."""
    suspend(world)
    switch = Switch()
    world.tenants.interrupt = lambda: (
        activate_tenant(TENANT, BY, None, tenants=world.tenants),
        None,
    )[1]
    with pytest.raises(ConflictError):
        switch_serving(TENANT, tenants=world.tenants, cluster=switch)
    switch_serving(TENANT, tenants=world.tenants, cluster=switch)
    assert switch.told == [f"stop {TENANT}", f"resume {TENANT}"]
    assert world.tenant.serving is ServingState.RUNNING


def test_changes_need_a_tenant_that_stays(world: World) -> None:
    change = TenantChange(display_name="Acme & Sons")
    with pytest.raises(PreconditionFailedError):
        change_tenant(TENANT, change, BY, 1, tenants=world.tenants)
    changed = change_tenant(TENANT, change, BY, world.tenant.version, tenants=world.tenants)
    assert changed.display_name == "Acme & Sons"
    assert change_tenant(TENANT, change, BY, None, tenants=world.tenants) == changed

    world.ask_to_leave()
    with pytest.raises(ConflictError, match="is Offboarding"):
        change_tenant(TENANT, change, BY, None, tenants=world.tenants)


def test_revocation_never_moves_back(world: World) -> None:
    first = revoke_tokens(TENANT, BY, None, tenants=world.tenants).revoked_before
    assert first > now().timestamp() - 1
    later = world.tenant.with_changes(revoked_before=first + 1000)
    world.tenants.save(world.tenant, later)
    assert revoke_tokens(TENANT, BY, None, tenants=world.tenants).revoked_before == first + 1000
