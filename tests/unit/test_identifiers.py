"""Names, identifiers and what is made of them."""

import time
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from controlplane.identifiers import (
    NAME_PATTERN,
    Name,
    RolloutId,
    TenantId,
    UploadId,
    is_name,
    new_sortable_id,
    now,
    revision_name,
    route_name,
    serving_namespace,
)
from controlplane.requests import digest

NAME = TypeAdapter(Name)
LETTERS = st.text("ab9-_A.\n", max_size=22)
GOOD = st.from_regex(NAME_PATTERN, fullmatch=True)


def accepts(adapter: TypeAdapter[str], text: str) -> bool:
    try:
        adapter.validate_python(text)
    except ValidationError:
        return False
    return True


@given(LETTERS | GOOD)
def test_a_name_is_the_same_to_requests_and_to_keys(text: str) -> None:
    assert accepts(NAME, text) is is_name(text)


@given(LETTERS | GOOD)
def test_a_name_is_fit_for_kubernetes_and_for_joining(text: str) -> None:
    if is_name(text):
        assert "--" not in text
        assert text[0].isalpha()
        assert not text.endswith("-")
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize("text", ["a", "a1", "a-1", "vision", "a" * 20, "a-b-c-d"])
def test_ordinary_names_are_taken(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text", ["", "1a", "-a", "a-", "a--b", "A", "a_b", "a.b", "a\n", "é", "a" * 21]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    assert not is_name(text)


def test_every_joined_name_leaves_room_for_kserves_suffixes() -> None:
    longest = "a" * 20

    assert len(revision_name(longest, longest, 9_999_999)) <= 53
    assert len(route_name(longest, longest)) <= 53
    assert len(serving_namespace("a" * 30)) <= 63


def test_joined_names_tell_their_parts_apart() -> None:
    assert route_name("a-b", "c") != route_name("a", "b-c")
    assert revision_name("vision", "digits", 2) == "vision--digits--v2"


def test_identifiers_sort_by_the_millisecond_they_were_made_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = [0, 999_999, 1_000_000, 2**40, 2**60, 2**62]
    clock = iter(moments)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))

    made = [new_sortable_id("u") for _ in moments]

    assert made[2:] == sorted(made[2:])
    assert all(first < made[2] for first in made[:2])
    assert len(set(made)) == len(made)


def test_identifiers_are_accepted_where_they_come_back_in() -> None:
    assert accepts(TypeAdapter(UploadId), new_sortable_id("u"))
    assert accepts(TypeAdapter(RolloutId), new_sortable_id("r"))
    assert accepts(TypeAdapter(RolloutId), f"r-{digest('x')[:16]}")
    assert not accepts(TypeAdapter(RolloutId), "r-../x")
    assert accepts(TypeAdapter(TenantId), "a" * 30)
    assert not accepts(TypeAdapter(TenantId), "a" * 31)


def test_moments_are_utc_to_the_millisecond() -> None:
    moment = now()

    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_a_digest_is_of_its_parts_and_not_of_their_text(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) is (one == other)
