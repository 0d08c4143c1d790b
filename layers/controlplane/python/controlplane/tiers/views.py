"""Tiers, subscriptions and limits as callers see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from controlplane.limits import Isolation, Limits, Rate
from controlplane.reasons import Reason
from controlplane.tiers.effective import PER_CALLER, EffectiveLimit
from controlplane.tiers.model import (
    ClusterState,
    Propagation,
    PropagationState,
    Rule,
    Subscription,
    TenantFailure,
    Tier,
    TierUse,
)
from controlplane.tiers.propagation import shown_propagation


class TierView(BaseModel):
    """A tier. `created_at` is null for the one that is there from the start."""

    name: str
    level: int
    isolation: Isolation
    limits: Limits
    description: str
    groups: list[str]
    created_at: datetime | None

    @classmethod
    def of(cls, tier: Tier) -> "TierView":
        return TierView.model_validate(tier.model_dump())


class PropagationView(BaseModel):
    """How far the tier's last change has come: `done` and `failed` of `total` tenants.

    `failures` names the first of those that failed, and why.
    """

    state: PropagationState
    generation: int
    total: int
    done: int
    failed: int
    failures: list[TenantFailure]
    reason: Reason | None
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, propagation: Propagation) -> Self:
        return cls.model_validate(propagation.model_dump())


class TierStateView(TierView):
    """A tier, how many tenants and groups of tenants have it, and how its last change goes."""

    tenants: int
    group_subscriptions: int
    propagation: PropagationView | None

    @classmethod
    def in_use(cls, tier: Tier, use: TierUse) -> Self:
        shown = shown_propagation(tier.generation, use)
        return cls.model_validate(
            tier.model_dump()
            | {
                "tenants": use.tenants,
                "group_subscriptions": use.group_subscriptions,
                "propagation": PropagationView.of(shown) if shown else None,
            }
        )


class SubscriptionView(BaseModel):
    """The tier of the tenant (`subscriber` is `tenant`) or of one of its groups.

    `cluster` says whether the cluster's objects hold it already.
    """

    subscriber: str
    tier: str
    overrides: dict[str, int | Rate]
    created_at: datetime
    cluster: ClusterState
    reason: Reason | None

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        shown = subscription.model_dump() | {"overrides": subscription.overrides.given()}
        return cls.model_validate(shown)


class CandidateView(BaseModel):
    """Another rule that was looked at, and what it would have given."""

    rule: Rule
    value: int | Rate


class EffectiveLimitView(BaseModel):
    """A limit, the rule that gives it, and those that it won against, the strongest first."""

    value: int | Rate
    rule: Rule
    considered: list[CandidateView]
    per_caller: bool = Field(description="Counted caller by caller; else for the whole tenant")


class LimitsView(BaseModel):
    """Every limit by name. `pending` when the tenant's change of limits has not been applied everywhere yet."""

    limits: dict[str, EffectiveLimitView]
    pending: bool

    @classmethod
    def of(cls, effective: Mapping[str, EffectiveLimit], enforced: Limits) -> Self:
        limits: dict[str, Any] = {
            name: {
                "value": found.value,
                "rule": found.rule,
                "considered": [
                    {"rule": other.rule, "value": other.value} for other in found.considered
                ],
                "per_caller": name in PER_CALLER,
            }
            for name, found in effective.items()
        }
        pending = any(
            found.value != getattr(enforced, name)
            for name, found in effective.items()
            if name not in PER_CALLER
        )
        return cls.model_validate({"limits": limits, "pending": pending})
