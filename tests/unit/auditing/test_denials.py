"""However often somebody is refused, little is written, and nothing is forgotten."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controlplane.auditing.denials import (
    INTERVAL,
    MAX_KEYS,
    MAX_WRITES,
    OTHER,
    DenialCounter,
    DenialKey,
)
from controlplane.auditing.model import AccessDenied
from tests.fakes.clock import START

KEY = DenialKey("acme", "user:u", "deleteProject")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_first_refusal_is_told_at_once_and_the_rest_of_a_minute_together() -> None:
    counter = DenialCounter()

    told = [counter.note(KEY, f"projects/p{second}", at(second)) for second in range(0, 130, 10)]

    written = [denied for denied in told if denied]
    assert [(d.count, d.first_at, d.last_at) for d in written] == [
        (1, at(0), at(0)),
        (6, at(10), at(60)),
        (6, at(70), at(120)),
    ]
    assert written[1].resource == "projects/p60"
    assert (written[0].actor, written[0].action) == ("user:u", "deleteProject")
    assert written[0].tenant_id == "acme"


def test_kinds_of_refusals_are_counted_apart() -> None:
    counter = DenialCounter()

    told = [
        counter.note(key, "x", at(0))
        for key in (
            KEY,
            KEY._replace(action="createProject"),
            KEY._replace(actor="user:v"),
            KEY._replace(tenant_id="globex"),
        )
    ]

    assert [denied is not None for denied in told] == [True] * 4


def test_what_waits_is_told_with_a_later_refusal_of_the_same_tenant() -> None:
    counter = DenialCounter()
    for second in (0, 1):
        counter.note(KEY, "x", at(second))

    assert_none_of_another = counter.note(DenialKey("globex", "user:g", "a"), "x", at(90))
    told = counter.note(KEY._replace(action="createProject"), "x", at(91))

    assert assert_none_of_another is not None
    assert assert_none_of_another.tenant_id == "globex"
    assert told is not None
    assert (told.action, told.count) == ("deleteProject", 1)


def test_attacker_of_many_names_writes_no_more_and_ends_among_the_others() -> None:
    counter = DenialCounter()
    told: list[AccessDenied] = []
    for number in range(5000):
        key = KEY._replace(actor=f"user:{number}")
        denied = counter.note(key, "x", at(number * 0.01))  # all within a minute
        told += [denied] if denied else []
    assert len(told) == MAX_WRITES

    for number in range(MAX_KEYS + 2):
        denied = counter.note(KEY._replace(actor=f"user:{number}"), "x", at(120 + 61 * number))
        told += [denied] if denied else []

    assert (OTHER, OTHER) in {(d.actor, d.action) for d in told}
    assert sum(d.count for d in told if d.actor == OTHER) >= 5000 - MAX_KEYS


def test_names_that_are_quiet_again_make_room() -> None:
    counter = DenialCounter()
    for number in range(MAX_KEYS):
        counter.note(KEY._replace(actor=f"user:{number}"), "x", at(number * 61))

    told = counter.note(KEY._replace(actor="user:new"), "x", at((MAX_KEYS + 1) * 61))

    assert told is not None
    assert told.actor == "user:new"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["acme", "globex"]),
            st.integers(0, 400),
            st.floats(0, 5, allow_nan=False),
        ),
        max_size=200,
    )
)
def test_nothing_is_told_twice_and_no_more_than_so_often(
    refusals: list[tuple[str, int, float]],
) -> None:
    counter, second = DenialCounter(), 0.0
    told: list[tuple[datetime, AccessDenied]] = []
    for tenant, number, pause in refusals:
        second += pause
        denied = counter.note(DenialKey(tenant, f"user:{number}", "a"), "x", at(second))
        told += [(at(second), denied)] if denied else []

    assert sum(denied.count for _, denied in told) <= len(refusals)
    by_key: dict[tuple[str, str], datetime] = {}
    for moment, denied in told:
        key = (denied.tenant_id, denied.actor)
        assert key not in by_key or moment - by_key[key] >= INTERVAL
        by_key[key] = moment
    for moment, _ in told:
        window = [other for other, _ in told if moment <= other < moment + INTERVAL]
        assert len(window) <= 2 * MAX_WRITES  # of two windows that meet
