"""Aliases under any order of moves, deletions, promotions and interruptions.

The promise: moves that belong together happen together, the history's end is what holds now, a version that a name
points at is there and knows it, and the champion is what was decided last, whatever is heard of when.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from controlplane.errors import (
    ConflictError,
    ForbiddenError,
    HeadraceError,
    InvalidRequestError,
    NotFoundError,
)
from controlplane.projects.model import Project
from controlplane.registry.aliases import CHAMPION, LATEST, Aliases
from controlplane.registry.model import AliasesMoved, Model
from controlplane.registry.moves import (
    Promotion,
    delete_alias,
    find_alias,
    follow_promotion,
    move_aliases,
)
from controlplane.registry.policy import RegistryPolicy
from controlplane.registry.service import delete_version
from controlplane.requests import PageRequest
from tests.fakes import Clock, MemoryAliases, MemoryModels, MemoryTable
from tests.unit.registry.versions import MOMENT, a_version

TENANT, PROJECT, MODEL = "acme", "vision", "digits"
PLACE = (TENANT, PROJECT, MODEL)
VERSIONS = 4
NAMES = [CHAMPION, "previous", "staging"]
NAME = st.sampled_from(NAMES)
NUMBER = st.integers(1, VERSIONS + 1)  # one more than there are


class Registry:
    """A model with some versions."""

    def __init__(self, count: int = VERSIONS) -> None:
        self.table = MemoryTable()
        self.aliases = MemoryAliases(self.table)
        self.models = MemoryModels(self.table)
        self.may_change_policy = True
        self.table.projects[TENANT, PROJECT] = Project(
            name=PROJECT, created_at=MOMENT, created_by="ada", model_versions=count
        )
        self.table.models[PLACE] = Model(name=MODEL, created_at=MOMENT, versions=count)
        for number in range(1, count + 1):
            self.table.versions[*PLACE, number] = a_version(number, metrics={"a": number / 10})

    @property
    def present(self) -> Aliases:
        return self.aliases.find(*PLACE)

    @property
    def named(self) -> dict[str, int]:
        return {name: at.model_version for name, at in self.present.named.items()}

    def move(self, wanted: dict[str, int], if_match: int | None = None) -> Aliases:
        return move_aliases(
            *PLACE,
            wanted,
            "ada",
            if_match,
            aliases=self.aliases,
            require_policy_right=self.require_policy_right,
        )

    def delete(self, alias: str) -> None:
        delete_alias(
            *PLACE,
            alias,
            "ada",
            None,
            aliases=self.aliases,
            require_policy_right=self.require_policy_right,
        )

    def require_policy_right(self) -> None:
        if not self.may_change_policy:
            raise ForbiddenError("you may not change the policy")

    def promote(self, number: int, minutes: float, rollout: str = "r-00000001") -> bool:
        """A promotion that ended so many minutes after the tests' moment."""
        ended_at = MOMENT + timedelta(minutes=minutes)
        promotion = Promotion(PROJECT, MODEL, number, rollout, ended_at)
        return follow_promotion(TENANT, promotion, aliases=self.aliases)

    def history(self, alias: str) -> list[tuple[int | None, int | None]]:
        """Version and previous one, the newest first."""
        page = self.aliases.history(*PLACE, alias, PageRequest())
        return [(record.model_version, record.previous) for record in page.items]


class AliasModel(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.registry = Registry()
        self.interruption: Callable[[], object] | None = None

    def attempt(self, change: Callable[[], object]) -> bool:
        """Whether it happened; if not, nothing did but what others did meanwhile."""
        before, events = self.registry.named, len(self.registry.table.events)
        others: list[dict[str, int]] = []
        interruption, self.interruption = self.interruption, None
        if interruption is not None:

            def interrupt() -> None:
                interruption()
                others.append(self.registry.named)

            self.registry.table.interrupt = interrupt
        try:
            change()
        except HeadraceError:
            assert self.registry.named == (others[-1] if others else before)
            return False
        finally:
            self.registry.table.interrupt = None
        assert len(self.registry.table.events) <= events + 1 + len(others)
        return True

    @precondition(lambda self: self.interruption is None)
    @rule(name=NAME, number=st.integers(1, VERSIONS))
    def others_will_move(self, name: str, number: int) -> None:
        """Somebody moves an alias between the next change's read and its write."""

        def change() -> None:
            with suppress(NotFoundError):
                self.registry.move({name: number})

        self.interruption = change

    @rule(wanted=st.dictionaries(NAME, NUMBER, min_size=1))
    def move(self, wanted: dict[str, int]) -> None:
        there = {number for *_, number in self.registry.table.versions}
        if self.attempt(lambda: self.registry.move(wanted)):
            assert set(wanted.values()) <= there
            assert wanted.items() <= self.registry.named.items()

    @rule(number=st.integers(1, VERSIONS))
    def confirm(self, number: int) -> None:
        """Whoever says again what the champion is moves nothing."""
        if self.registry.named.get(CHAMPION) != number or self.interruption is not None:
            return
        history = self.registry.history(CHAMPION)
        self.registry.move({CHAMPION: number})
        assert self.registry.history(CHAMPION) == history

    @rule(name=NAME)
    def delete(self, name: str) -> None:
        if self.attempt(lambda: self.registry.delete(name)):
            assert name not in self.registry.named

    @rule(number=NUMBER, minutes=st.integers(-5, 5), future=st.booleans())
    def promote(self, number: int, minutes: int, future: bool) -> None:
        days = 10**6 if future else 0
        self.attempt(lambda: self.registry.promote(number, minutes + days))

    @rule(number=st.integers(1, VERSIONS))
    def delete_version(self, number: int) -> None:
        deleted = self.attempt(
            lambda: delete_version(*PLACE, number, "ada", None, models=self.registry.models)
        )
        if deleted:
            assert number not in self.registry.named.values()

    @invariant()
    def history_ends_in_what_holds_now(self) -> None:
        for name in NAMES:
            history = self.registry.history(name)
            assert (history[0][0] if history else None) == self.registry.named.get(name)
            befores = [previous for _, previous in history]
            assert befores == [version for version, _ in history[1:]] + [None] * bool(history)

    @invariant()
    def named_versions_are_there_and_know_it(self) -> None:
        present = self.registry.present
        versions = {at[3]: version for at, version in self.registry.table.versions.items()}
        assert set(self.registry.named.values()) <= set(versions)
        for number, version in versions.items():
            assert set(version.aliases) == present.names_of(number)

    @invariant()
    def champions_metrics_are_its_own(self) -> None:
        present = self.registry.present
        expected = (
            self.registry.table.versions[*PLACE, present.champion].metrics
            if present.champion
            else {}
        )
        assert present.champion_metrics == expected


TestAliasModel = AliasModel.TestCase
TestAliasModel.settings = settings(max_examples=60, stateful_step_count=20)


@given(
    order=st.permutations(range(5)),
    repeats=st.lists(st.integers(0, 4), max_size=6),
    minutes=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    numbers=st.lists(st.integers(1, VERSIONS), min_size=5, max_size=5),
)
def test_champion_is_the_last_promotion_in_whatever_order_they_are_heard_of(
    order: list[int], repeats: list[int], minutes: list[int], numbers: list[int]
) -> None:
    registry = Registry()
    rollouts = [f"r-{n:08d}" for n in range(5)]

    for n in [*order, *repeats]:
        registry.promote(numbers[n], minutes[n], rollouts[n])

    last = max(range(5), key=lambda n: (minutes[n], rollouts[n]))
    assert registry.named == {CHAMPION: numbers[last]}


def test_promotion_tells_whether_it_moved_anything() -> None:
    registry = Registry()

    assert [registry.promote(2, 1), registry.promote(2, 1), registry.promote(1, 0)] == [
        True,
        False,
        False,
    ]
    [event] = registry.table.events_of(AliasesMoved)
    assert isinstance(event, AliasesMoved)
    assert event.moved_by == "r-00000001"


def test_promotion_older_than_a_persons_decision_is_not_followed() -> None:
    registry = Registry()
    registry.move({CHAMPION: 3})

    assert not registry.promote(1, 0)
    assert registry.named == {CHAMPION: 3}


def test_deleted_champion_does_not_come_back_by_what_was_before() -> None:
    registry = Registry()
    registry.promote(1, 0)
    registry.delete(CHAMPION)

    assert not registry.promote(2, 1)
    assert registry.named == {}


def test_policy_switches_the_champion_off() -> None:
    registry = Registry()
    registry.table.registry_policies[TENANT, PROJECT] = RegistryPolicy(
        champion_follows_promotion=False
    )

    assert not registry.promote(1, 0)


def test_move_that_others_overtook_is_refused_as_a_conflict() -> None:
    registry = Registry()

    def overtake() -> None:
        registry.move({"staging": 2})

    registry.table.interrupt = overtake

    with pytest.raises(ConflictError):
        registry.move({"staging": 1})
    assert registry.named == {"staging": 2}


def test_latest_is_nobodys_to_set() -> None:
    registry = Registry()

    with pytest.raises(InvalidRequestError):
        registry.move({LATEST: 1})
    with pytest.raises(InvalidRequestError):
        registry.delete(LATEST)


def test_latest_is_the_newest_version_that_is_there() -> None:
    registry = Registry()

    def latest() -> Any:
        return find_alias(*PLACE, LATEST, aliases=registry.aliases, models=registry.models)

    state, version = latest()
    assert (state.model_version, version) == (VERSIONS, None)
    delete_version(*PLACE, VERSIONS, "ada", None, models=registry.models)
    assert latest()[0].model_version == VERSIONS - 1


def test_champion_that_is_confirmed_is_decided_again_and_not_moved(clock: Clock) -> None:
    registry = Registry()
    registry.move({CHAMPION: 3})
    first = registry.present
    events = len(registry.table.events)
    clock.advance(1)

    confirmed = registry.move({CHAMPION: 3})

    assert confirmed.named == first.named
    assert confirmed.champion_decided > first.champion_decided
    assert registry.history(CHAMPION) == [(3, None)]
    assert len(registry.table.events) == events


COMPARING = RegistryPolicy(gates=({"gate": "not_worse_than_champion", "metric": "a"},))


class TestChampionThatAGateAsksFor:
    @pytest.fixture
    def registry(self) -> Registry:
        """A project that compares with the champion, and a caller who may not change its policy."""
        registry = Registry()
        registry.move({CHAMPION: 3})
        registry.table.registry_policies[TENANT, PROJECT] = COMPARING
        registry.may_change_policy = False
        return registry

    def test_is_not_moved_or_deleted_by_who_may_not_change_the_policy(
        self, registry: Registry
    ) -> None:
        for wanted in ({CHAMPION: 1}, {CHAMPION: 3}, {CHAMPION: 1, "staging": 1}):
            with pytest.raises(ForbiddenError):
                registry.move(wanted)
        with pytest.raises(ForbiddenError):
            registry.delete(CHAMPION)

        assert registry.named == {CHAMPION: 3}

    def test_other_aliases_are_anybodys(self, registry: Registry) -> None:
        registry.move({"staging": 1})
        registry.delete("staging")

    def test_follows_promotions(self, registry: Registry) -> None:
        assert registry.promote(1, minutes=10**6)
        assert registry.named == {CHAMPION: 1}
