"""Which limit holds: the rules of precedence, on examples and on generated rights."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from controlplane.limits import Limits, Rate
from controlplane.tiers.effective import (
    PER_CALLER,
    EffectiveLimit,
    effective_limits,
    limits_of,
)
from controlplane.tiers.model import STANDARD, LimitChanges, Rule, RuleKind, Tier

GROUPS = ("gold", "silver", "bronze")
QUANTITIES = [name for name in Limits.model_fields if name not in PER_CALLER]

rates = st.builds(Rate, limit=st.integers(0, 1000), window_seconds=st.sampled_from([1, 60]))
limits = st.builds(
    Limits,
    **{n: st.integers(0, 50) for n in QUANTITIES},
    **dict.fromkeys(sorted(PER_CALLER), rates),
)
tiers = st.builds(
    Tier, name=st.sampled_from(["a", "b", "c", "d"]), level=st.integers(0, 3), limits=limits
)
overrides = st.builds(
    LimitChanges,
    **{n: st.none() | st.integers(0, 50) for n in QUANTITIES},
    **{n: st.none() | rates for n in sorted(PER_CALLER)},
)
by_group = st.dictionaries(st.sampled_from(GROUPS), tiers)
groups = st.lists(st.sampled_from((*GROUPS, "unknown")))


@dataclass(frozen=True)
class Rights:
    """All that limits follow from."""

    default: Tier
    subscribed: Tier | None
    overrides: LimitChanges | None
    subscriptions: dict[str, Tier]
    mappings: dict[str, Tier]
    groups: list[str]

    def limits(self) -> dict[str, EffectiveLimit]:
        return effective_limits(
            self.default,
            self.subscribed,
            self.overrides,
            self.subscriptions,
            self.mappings,
            self.groups,
        )


rights = st.builds(
    Rights, tiers, st.none() | tiers, st.none() | overrides, by_group, by_group, groups
)


def tier(name: str, level: int, **given: object) -> Tier:
    return Tier(name=name, level=level, limits=Limits.model_validate(given))


def source_of(rule: Rule, known: Rights) -> Tier:
    """The tier that a rule names, by the right that it names."""
    named = {
        RuleKind.DEFAULT: known.default,
        RuleKind.SUBSCRIPTION: known.subscribed,
        RuleKind.GROUP_SUBSCRIPTION: known.subscriptions.get(rule.group or ""),
        RuleKind.GROUP_MAPPING: known.mappings.get(rule.group or ""),
    }[rule.kind]
    assert named is not None
    assert named.name == rule.tier
    return named


def value_by(rule: Rule, name: str, known: Rights) -> object:
    """What the rule gives by itself."""
    if rule.kind is RuleKind.OVERRIDE:
        assert known.overrides is not None
        return known.overrides.given()[name]
    return getattr(source_of(rule, known).limits, name)


@given(rights)
def test_every_limit_is_given_by_a_rule_that_really_has_that_value(known: Rights) -> None:
    found = known.limits()

    assert set(found) == set(Limits.model_fields)
    for name, limit in found.items():
        assert limit.value == value_by(limit.rule, name, known)
        assert limit.rule.group is None or limit.rule.group in known.groups
        for other in limit.considered:
            assert other.value == value_by(other.rule, name, known)
            assert other.rule != limit.rule


@given(rights)
def test_the_order_of_what_is_given_does_not_matter(known: Rights) -> None:
    turned = replace(
        known,
        subscriptions=dict(reversed(known.subscriptions.items())),
        mappings=dict(reversed(known.mappings.items())),
        groups=sorted([*known.groups, *known.groups], reverse=True),
    )

    assert turned.limits() == known.limits()


@given(rights, st.sampled_from(GROUPS))
def test_another_group_never_lowers_the_level_that_decides(known: Rights, group: str) -> None:
    wider = replace(known, groups=[*known.groups, group])
    fewer, more = known.limits(), wider.limits()

    for name in PER_CALLER:
        if fewer[name].rule.kind is not RuleKind.OVERRIDE:
            level = source_of(fewer[name].rule, known).level
            assert source_of(more[name].rule, wider).level >= level


@given(rights)
def test_groups_change_nothing_that_the_whole_tenant_shares(known: Rights) -> None:
    with_groups, without = known.limits(), replace(known, groups=[]).limits()

    for name in QUANTITIES:
        assert with_groups[name] == without[name]


@given(rights, tiers, st.sampled_from(QUANTITIES), st.integers(0, 100))
def test_a_higher_limit_in_the_subscribed_tier_never_lowers_what_holds(
    known: Rights, tier: Tier, name: str, more: int
) -> None:
    raised = tier.limits.model_copy(update={name: getattr(tier.limits, name) + more})
    before = replace(known, subscribed=tier).limits()
    after = replace(known, subscribed=tier.model_copy(update={"limits": raised})).limits()

    assert getattr(limits_of(after), name) >= getattr(limits_of(before), name)
    for other in set(before) - {name}:
        assert after[other].value == before[other].value


@given(rights, overrides)
def test_an_override_changes_its_own_limit_and_no_other(
    known: Rights, override: LimitChanges
) -> None:
    plain = replace(known, overrides=None).limits()
    overridden = replace(known, overrides=override).limits()

    for name, limit in overridden.items():
        if name in override.given():
            assert (limit.value, limit.rule.kind) == (override.given()[name], RuleKind.OVERRIDE)
            assert limit.considered[0].value == plain[name].value
        else:
            assert limit == plain[name]


def test_the_highest_level_wins_also_with_a_lower_number() -> None:
    low, high = tier("low", 1, requests=rate(900)), tier("high", 2, requests=rate(5))

    found = effective_limits(STANDARD, low, None, {"gold": high}, {}, ["gold"])["requests"]

    assert found.value == Rate(limit=5, window_seconds=60)
    assert [c.rule.tier for c in found.considered] == ["low"]


def test_among_equal_levels_the_nearer_rule_wins() -> None:
    own, mine, mapped = tier("own", 5), tier("mine", 5), tier("mapped", 5)
    both = effective_limits(
        STANDARD, own, None, {"gold": mine}, {"silver": mapped}, ["gold", "silver"]
    )["tokens"]

    assert both.rule.kind is RuleKind.GROUP_SUBSCRIPTION
    assert [c.rule.kind for c in both.considered] == [
        RuleKind.GROUP_MAPPING,
        RuleKind.SUBSCRIPTION,
    ]


def test_the_tenants_own_word_about_a_group_replaces_the_platforms() -> None:
    lower, higher = tier("lower", 1), tier("higher", 9)

    found = effective_limits(
        STANDARD, tier("own", 0), None, {"gold": lower}, {"gold": higher}, ["gold"]
    )

    assert found["requests"].rule.tier == "lower"


def test_every_limit_can_be_overridden() -> None:
    assert set(LimitChanges.model_fields) == set(Limits.model_fields)


def rate(limit: int) -> Rate:
    return Rate(limit=limit, window_seconds=60)
