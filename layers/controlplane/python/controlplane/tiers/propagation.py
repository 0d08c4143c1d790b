"""How a tier's change reaches its tenants.

A change raises the tier's `generation`. The execution that its event starts claims the generation, takes the
subscribed tenants page by page, and counts each page once. An execution that finds a newer generation stops: the
newer one's reaches every tenant anyway, because each tenant is given what the tier says when it is its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from controlplane.identifiers import PLATFORM, now
from controlplane.limits import TenantPlan
from controlplane.reasons import Reason
from controlplane.requests import PageRequest
from controlplane.tiers.model import (
    MAX_FAILURES_SHOWN,
    ClusterState,
    Propagation,
    PropagationState,
    TenantFailure,
    TenantLimitsChanged,
    TierPropagationContinued,
    TierPropagationEnded,
    TierUse,
    limits_that_differ,
)
from controlplane.tiers.ports import (
    PropagationRepository,
    Standing,
    SubscriptionRepository,
    TenantCluster,
)
from controlplane.tiers.subscriptions import tenant_under

PAGE_SIZE = 50
# A page costs an execution about 400 events of the 25,000 that it may have.
PAGES_AN_EXECUTION = 20
_UNDER_WAY = frozenset({PropagationState.PENDING, PropagationState.RUNNING})


class Outcome(StrEnum):
    APPLIED = "Applied"
    SKIPPED = "Skipped"
    FAILED = "Failed"


@dataclass(frozen=True)
class Result:
    """What became of one tenant; `reason` when it failed."""

    tenant_id: str
    outcome: Outcome
    reason: Reason | None = None


@dataclass(frozen=True)
class Share:
    """The tenants that are next, as page number `page`; `go_on` is false when there is nothing to do."""

    go_on: bool
    page: int = 0
    tenants: tuple[str, ...] = ()
    after: str | None = None


_NOTHING = Share(go_on=False)


def open_propagation(
    tier: str, generation: int, execution: str, *, propagations: PropagationRepository
) -> Share:
    """Claim the generation, or take up what an earlier execution left, and list the first page.

    Nothing is left to do when there is a newer generation, or another execution has this one.
    """
    found, use = propagations.find(tier)
    known = use.propagation
    if found is None or found.generation != generation:
        return _NOTHING
    if known is None or known.generation < generation:
        claimed = Propagation(
            generation=generation,
            state=PropagationState.RUNNING,
            execution=execution,
            total=use.tenants,
            started_at=now(),
        )
    elif known.state is PropagationState.PENDING:
        claimed = known.model_copy(
            update={"state": PropagationState.RUNNING, "execution": execution}
        )
    elif known.execution == execution and known.state is PropagationState.RUNNING:
        return _share(tier, known, propagations)
    else:
        return _NOTHING
    propagations.save(tier, known, claimed)
    return _share(tier, claimed, propagations)


def record_page(
    tier: str,
    generation: int,
    execution: str,
    page: int,
    after: str | None,
    results: Sequence[Result],
    *,
    is_last_share: bool,
    propagations: PropagationRepository,
) -> Share:
    """Count a page once, however often it is reported, and list the next.

    With `is_last_share` the execution has done enough: what is left is another one's, which an event starts.
    """
    found, use = propagations.find(tier)
    known = use.propagation
    if known is None or known.execution != execution or known.generation != generation:
        return _NOTHING
    if known.state is not PropagationState.RUNNING:
        return _NOTHING
    if known.page >= page:
        return _share(tier, known, propagations)
    if found is None or found.generation != generation:
        return _NOTHING
    counted = _count(known, page, after, results)
    if after is None:
        ended = _end(counted)
        event = TierPropagationEnded(
            tenant_id=PLATFORM,
            tier=tier,
            generation=generation,
            state=ended.state,
            done=ended.done,
            failed=ended.failed,
        )
        propagations.save(tier, known, ended, event)
        return _NOTHING
    if is_last_share:
        handed_over = counted.model_copy(update={"state": PropagationState.PENDING})
        going_on = TierPropagationContinued(
            tenant_id=PLATFORM, tier=tier, generation=generation, page=page
        )
        propagations.save(tier, known, handed_over, going_on)
        return _NOTHING
    propagations.save(tier, known, counted)
    return _share(tier, counted, propagations)


def apply_limits(
    tenant_id: str, *, subscriptions: SubscriptionRepository, cluster: TenantCluster
) -> Result:
    """Give a tenant what its subscription says: in its item, then in the cluster, then recorded as applied.

    Nothing is written that is there already, except that the cluster's objects are applied in any case. Raises
    ConcurrentChangeError when subscription or tier changed while they were applied: the next attempt takes the new
    state, so that the last one to write has the last word. Raises what the cluster raises.
    """
    standing = subscriptions.find_present(tenant_id)
    if standing is None or standing.subscription is None:
        return Result(tenant_id, Outcome.SKIPPED)
    standing = _materialise(standing, subscriptions)
    tenant, subscription = standing.tenant, standing.subscription
    if subscription is None or not tenant.in_cluster:
        return Result(tenant_id, Outcome.SKIPPED)  # onboarding applies them when it comes to it
    cluster.apply_limits(TenantPlan(tenant_id, tenant.isolation, tenant.limits))
    settled = subscription.model_copy(update={"cluster": ClusterState.APPLIED, "reason": None})
    subscriptions.settle(standing, settled)
    return Result(tenant_id, Outcome.APPLIED)


def record_failure(
    tenant_id: str, reason: Reason, *, subscriptions: SubscriptionRepository
) -> None:
    """Record that the cluster does not hold what the tenant's subscription says."""
    standing = subscriptions.find_present(tenant_id)
    if standing is None or standing.subscription is None:
        return
    failed = standing.subscription.model_copy(
        update={"cluster": ClusterState.FAILED, "reason": reason}
    )
    subscriptions.settle(standing, failed)


def record_ended_execution(
    tier: str, generation: int, execution: str, status: str, *, propagations: PropagationRepository
) -> None:
    """Record what an execution left undone that died without a word (time-out, abort, run-time fault)."""
    found, use = propagations.find(tier)
    known = use.propagation
    if found is None or found.generation != generation:
        return
    if known is None or known.generation < generation:
        left = Propagation(generation=generation, total=use.tenants, started_at=now())
    elif known.state in _UNDER_WAY and known.execution in ("", execution):
        left = known
    else:
        return
    reason = Reason(
        code="ExecutionEnded",
        message=f"the state machine execution ended as {status}",
        remedy="Ask for the propagation again; if it ends so again, look at the execution's history.",
    )
    dead = left.model_copy(
        update={
            "state": PropagationState.FAILED,
            "execution": execution,
            "reason": reason,
            "ended_at": now(),
        }
    )
    event = TierPropagationEnded(
        tenant_id=PLATFORM,
        tier=tier,
        generation=generation,
        state=dead.state,
        done=dead.done,
        failed=dead.failed,
    )
    propagations.save(tier, known, dead, event)


def shown_propagation(generation: int, use: TierUse) -> Propagation | None:
    """How the tier's last change goes; None if there was none that tenants had to be told of."""
    known = use.propagation
    if known is not None and known.generation >= generation:
        return known
    return Propagation(generation=generation, total=use.tenants) if generation else None


def _materialise(standing: Standing, subscriptions: SubscriptionRepository) -> Standing:
    subscription, tenant = standing.subscription, standing.tenant
    if subscription is None:
        return standing
    wanted = tenant_under(tenant, standing.tier, subscription.overrides)
    if wanted == tenant:
        return standing
    changed = subscription.model_copy(
        update={"cluster": ClusterState.PENDING, "version": subscription.version + 1}
    )
    event = TenantLimitsChanged(
        tenant_id=tenant.tenant_id,
        subscriber=subscription.subscriber,
        tier=subscription.tier,
        limits=limits_that_differ(tenant.limits, wanted.limits),
    )
    subscriptions.save(standing, changed, wanted, event)
    return Standing(wanted, changed, standing.tier)


def _share(tier: str, present: Propagation, propagations: PropagationRepository) -> Share:
    page = propagations.tenants(tier, PageRequest(PAGE_SIZE, present.after))
    return Share(
        go_on=True,
        page=present.page + 1,
        tenants=tuple(page.items),
        after=page.next_after,
    )


def _count(
    known: Propagation, page: int, after: str | None, results: Sequence[Result]
) -> Propagation:
    by_tenant = {result.tenant_id: result for result in results}
    failed = [result for result in by_tenant.values() if result.outcome is Outcome.FAILED]
    failures = [
        TenantFailure(tenant=result.tenant_id, reason=result.reason or _unknown_reason())
        for result in failed
    ]
    return known.model_copy(
        update={
            "page": page,
            "after": after,
            "done": known.done + len(by_tenant) - len(failed),
            "failed": known.failed + len(failed),
            "failures": (*known.failures, *failures)[:MAX_FAILURES_SHOWN],
        }
    )


def _end(counted: Propagation) -> Propagation:
    """Tenants that came or went meanwhile had no page, or one too many: what was counted is the total."""
    return counted.model_copy(
        update={
            "state": PropagationState.FAILED if counted.failed else PropagationState.SUCCEEDED,
            "total": counted.done + counted.failed,
            "ended_at": now(),
        }
    )


def _unknown_reason() -> Reason:
    return Reason(code="Unknown", message="no reason was given")
