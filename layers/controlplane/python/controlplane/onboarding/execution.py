"""What executions of TenantOnboarding and TenantOffboarding do with the tenant's own item.

One execution works on a tenant at a time; it is named in the item from its first step on, and whatever it does it
does only while it stands there. One that dies is taken out again by `record_ended_execution`.
"""

from collections.abc import Mapping
from datetime import timedelta

from controlplane.errors import NotFoundError, TenantWorkNotActiveError
from controlplane.identifiers import now
from controlplane.onboarding.model import (
    Goal,
    StepRecord,
    StepState,
    TenantEvent,
    TenantOffboarded,
    TenantOnboarded,
    TenantOnboardingFailed,
    TenantRecord,
    TenantStatus,
    TenantWorkInterrupted,
    Work,
)
from controlplane.onboarding.plan import (
    EXPORT,
    FINISH,
    NOTHING,
    Direction,
    NextStep,
    is_over,
    next_step,
    wait,
)
from controlplane.onboarding.ports import TenantPart, TenantRepository
from controlplane.reasons import Reason

LONGEST_PAUSE = timedelta(hours=1)
# How long a removal that is under way is left alone before it is looked at again.
REMOVAL_SECONDS = 2


def open_work(tenant_id: str, execution: str, *, tenants: TenantRepository) -> NextStep:
    """Take the tenant's work in hand, if there is any and nobody else has it.

    Raises ConcurrentChangeError: call it again.
    """
    try:
        tenant = tenants.get(tenant_id)
    except NotFoundError:
        return NOTHING
    work = tenant.work
    if work is None or work.execution not in (None, execution):
        return NOTHING
    if work.execution is None:
        moment = now()
        if work.resume_at is not None and work.resume_at > moment:
            return wait(_whole_seconds(work.resume_at - moment))
        work = work.with_changes(execution=execution, resume_at=None)
        tenants.save(tenant, tenant.with_work(work))
    return next_step(tenant, work)


def carry_out(
    tenant_id: str,
    execution: str,
    name: str,
    direction: Direction,
    *,
    parts: Mapping[str, TenantPart],
    tenants: TenantRepository,
) -> NextStep:
    """Apply or remove one part of the tenant: noted before and after, so that nothing is made that nobody knows of.

    Returns what comes next: this step again if it is not over. Raises TenantWorkNotActiveError when the execution
    has lost the tenant, ConcurrentChangeError, and what the part raises.
    """
    tenant, work = _in_hand(tenants.get(tenant_id), execution)
    if (direction is Direction.APPLY) != (work.goal is Goal.PROVISION):
        raise TenantWorkNotActiveError(f"the work on tenant {tenant_id} has another goal by now")
    if is_over(work, name):
        return next_step(tenant, work)
    apply = direction is Direction.APPLY
    begun = StepState.STARTED if apply else StepState.REMOVING
    record = work.step(name)
    if record is None or record.state is not begun:
        record = StepRecord(name=name, state=begun, started_at=now())
        tenant, work = _note(tenant, work, record, tenants)
    if apply:
        why_not = parts[name].apply(tenant)
        state = StepState.SKIPPED if why_not else StepState.DONE
        record = record.model_copy(update={"state": state, "ended_at": now(), "note": why_not})
        # Read again: a part may change the tenant's item itself, and so may a change of its tier.
        tenant, work = _in_hand(tenants.get(tenant_id), execution)
        return next_step(*_note(tenant, work, record, tenants))
    removal = parts[name].remove(tenant, record.position)
    progress = {
        "state": StepState.REMOVED if removal.gone else StepState.REMOVING,
        "ended_at": now() if removal.gone else None,
        "count": record.count + removal.count,
        "position": removal.position,
        "note": removal.note or record.note,
    }
    changed = record.model_copy(update=progress)
    tenant, work = _in_hand(tenants.get(tenant_id), execution)
    if changed != record:
        tenant, work = _note(tenant, work, changed, tenants)
    following = next_step(tenant, work)
    if removal.gone or removal.count or removal.position != record.position:
        return following
    return NextStep(following.kind, following.name, REMOVAL_SECONDS)


def withdraw(
    tenant_id: str, execution: str, reason: Reason, *, tenants: TenantRepository
) -> NextStep:
    """Turn an onboarding round that cannot go on: everything that was begun is removed, the last first."""
    tenant, work = _in_hand(tenants.get(tenant_id), execution)
    if work.goal is Goal.PROVISION:
        work = work.with_changes(goal=Goal.WITHDRAW, reason=reason)
        tenant = tenants.save(tenant, tenant.with_work(work))
    return next_step(tenant, work)


def finish(tenant_id: str, execution: str, *, tenants: TenantRepository) -> TenantStatus:
    """Record that the work is over: the tenant is active, or nothing of it is left but its record."""
    tenant, work = _in_hand(tenants.get(tenant_id), execution)
    if next_step(tenant, work) != FINISH:
        raise TenantWorkNotActiveError(f"the work on tenant {tenant_id} is not over")
    ended = tenant.with_work(work.with_changes(execution=None, interruptions=0))
    event: TenantEvent
    if work.goal is Goal.PROVISION:
        changed = ended.with_changes(status=TenantStatus.ACTIVE, administrator=None)
        event = TenantOnboarded(tenant_id=tenant_id, tier=tenant.tier)
    elif work.goal is Goal.WITHDRAW:
        changed = ended.with_changes(status=TenantStatus.ONBOARDING_FAILED, administrator=None)
        why = work.reason.code if work.reason else "Unknown"
        event = TenantOnboardingFailed(tenant_id=tenant_id, tier=tenant.tier, reason=why)
    else:
        changed = ended.with_changes(
            status=TenantStatus.OFFBOARDED,
            suspension=None,
            administrator=None,
            onboarding=None,
            export=_note_of(work, EXPORT),
        )
        removed = {step.name: step.count for step in work.steps}
        event = TenantOffboarded(tenant_id=tenant_id, tier=tenant.tier, removed=removed)
    tenants.save(tenant, changed, event)
    return changed.status


def continue_later(tenant_id: str, execution: str, *, tenants: TenantRepository) -> None:
    """Leave the rest of long work to a new execution, before the history of this one is full."""
    tenant, work = _in_hand(tenants.get(tenant_id), execution)
    _interrupt(tenant, work.with_changes(resume_at=now()), tenants)


def record_ended_execution(
    tenant_id: str, execution: str, status: str, pause: timedelta, *, tenants: TenantRepository
) -> None:
    """Note that an execution died before its work was over, and ask for another one.

    An onboarding is taken back then. The new execution begins after `pause`, and later each time: what the dead one
    had called last may still be going on.
    """
    try:
        tenant = tenants.get(tenant_id)
    except NotFoundError:
        return
    work = tenant.work
    # One that died before it had taken the work in hand leaves nobody else to do it.
    if work is None or work.execution not in (None, execution):
        return
    reason = Reason(
        code="ExecutionEnded",
        message=f"the state machine execution ended as {status}",
        remedy="Repeat the request; if it ends so again, see the runbook on onboarding.",
    )
    later = min(pause * 2 ** min(work.interruptions, 16), max(LONGEST_PAUSE, pause))
    goal = Goal.WITHDRAW if work.goal is Goal.PROVISION else work.goal
    changed = work.with_changes(
        goal=goal,
        reason=work.reason if work.goal is Goal.WITHDRAW else reason,
        interruptions=work.interruptions + 1,
        resume_at=now() + later,
    )
    _interrupt(tenant, changed, tenants)


def _interrupt(tenant: TenantRecord, work: Work, tenants: TenantRepository) -> None:
    left = work.with_changes(execution=None)
    event = TenantWorkInterrupted(
        tenant_id=tenant.tenant_id,
        goal=work.goal,
        interruptions=work.interruptions,
        resume_at=work.resume_at or now(),
    )
    tenants.save(tenant, tenant.with_work(left), event)


def _in_hand(tenant: TenantRecord, execution: str) -> tuple[TenantRecord, Work]:
    work = tenant.work
    if work is None or work.execution != execution:
        raise TenantWorkNotActiveError(
            f"the work on tenant {tenant.tenant_id} is over, or another execution does it"
        )
    return tenant, work


def _note(
    tenant: TenantRecord, work: Work, record: StepRecord, tenants: TenantRepository
) -> tuple[TenantRecord, Work]:
    noted = work.with_step(record)
    return tenants.save(tenant, tenant.with_work(noted)), noted


def _note_of(work: Work, name: str) -> str | None:
    step = work.step(name)
    return step.note if step else None


def _whole_seconds(left: timedelta) -> int:
    return max(1, -(-left // timedelta(seconds=1)))
