"""Which limits hold, and which rule gives each.

Order of precedence, the first that applies decides:

1. An override in the tenant's own subscription gives its one limit.
2. The limits of a caller (`PER_CALLER`) come from the highest tier that the caller has a right to: by the tenant's
   subscription for one of the caller's groups, by the platform's mapping of a group for which the tenant has no
   subscription, or by the tenant's own subscription. Among tiers of one level a group's subscription comes before
   a group's mapping, and that before the tenant's subscription; then the tier's and the group's names decide.
3. All other limits are of the tenant as a whole. They are counted for all its people together, so they come from
   the tenant's own subscription alone, whatever groups the caller is in.
4. A tenant without a subscription has the default tier's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controlplane.limits import Limits, Rate
from controlplane.tiers.model import LimitChanges, Rule, RuleKind, Tier

Value = int | Rate

# Counted caller by caller; every other limit is the tenant's as a whole.
PER_CALLER = frozenset({"requests", "tokens"})
_STRENGTH = {kind: number for number, kind in enumerate(RuleKind)}


@dataclass(frozen=True)
class Candidate:
    """A rule that could give a limit, and the value that it would give."""

    rule: Rule
    value: Value


@dataclass(frozen=True)
class EffectiveLimit:
    """A limit's value, the rule that gives it, and the other rules that were looked at, the strongest first."""

    value: Value
    rule: Rule
    considered: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class _Right:
    rule: Rule
    tier: Tier

    @property
    def rank(self) -> tuple[int, int, str, str]:
        """Sorts the strongest first."""
        return -self.tier.level, _STRENGTH[self.rule.kind], self.tier.name, self.rule.group or ""


def effective_limits(
    default: Tier,
    subscribed: Tier | None = None,
    overrides: LimitChanges | None = None,
    group_subscriptions: Mapping[str, Tier] | None = None,
    group_mappings: Mapping[str, Tier] | None = None,
    groups: Iterable[str] = (),
) -> dict[str, EffectiveLimit]:
    """Every limit by name, for a caller who is in `groups`.

    `subscribed` is the tier of the tenant's own subscription; `group_subscriptions` are the tenant's for its groups,
    `group_mappings` the platform's, both by group. The order of what is given does not matter.
    """
    own = _own_right(default, subscribed)
    of_groups = list(_group_rights(group_subscriptions or {}, group_mappings or {}, groups))
    ranked = sorted([own, *of_groups], key=lambda right: right.rank)
    overridden = overrides.given() if overrides else {}
    return {
        name: _decide(name, overridden.get(name), ranked if name in PER_CALLER else [own])
        for name in Limits.model_fields
    }


def limits_of(effective: Mapping[str, EffectiveLimit]) -> Limits:
    return Limits.model_validate({name: found.value for name, found in effective.items()})


def _own_right(default: Tier, subscribed: Tier | None) -> _Right:
    if subscribed is None:
        return _Right(Rule(kind=RuleKind.DEFAULT, tier=default.name), default)
    return _Right(Rule(kind=RuleKind.SUBSCRIPTION, tier=subscribed.name), subscribed)


def _group_rights(
    subscriptions: Mapping[str, Tier], mappings: Mapping[str, Tier], groups: Iterable[str]
) -> Iterable[_Right]:
    for group in sorted(set(groups)):
        kind, tier = RuleKind.GROUP_SUBSCRIPTION, subscriptions.get(group)
        if tier is None:
            kind, tier = RuleKind.GROUP_MAPPING, mappings.get(group)
        if tier is not None:
            yield _Right(Rule(kind=kind, tier=tier.name, group=group), tier)


def _decide(name: str, override: Value | None, rights: list[_Right]) -> EffectiveLimit:
    candidates = [Candidate(right.rule, getattr(right.tier.limits, name)) for right in rights]
    if override is not None:
        candidates.insert(0, Candidate(Rule(kind=RuleKind.OVERRIDE), override))
    decisive, *others = candidates
    return EffectiveLimit(decisive.value, decisive.rule, tuple(others))
