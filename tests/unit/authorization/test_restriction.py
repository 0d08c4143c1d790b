"""The rules of a tenant's own policies: what is stored, what its requests ask, and who wins when two change them."""

from datetime import timedelta

import pytest

from controlplane.authorization.model import (
    MAX_POLICIES,
    MAX_TOTAL_BYTES,
    Policy,
    PolicyBook,
    PolicyChange,
    PolicyChanged,
    PolicyCreated,
    PolicyDeleted,
    PolicyRequest,
)
from controlplane.authorization.restriction import change_policy, create_policy, delete_policy
from controlplane.errors import (
    AlreadyExistsError,
    ConcurrentChangeError,
    InvalidPolicyError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.requests import IdempotentRequest
from tests.fakes import Clock, MemoryChecker, MemoryPolicies
from tests.fakes.clock import START

CHECKER = MemoryChecker()


@pytest.fixture
def policies(clock: Clock) -> MemoryPolicies:
    return MemoryPolicies()


def create(
    policies: MemoryPolicies,
    name: str = "freeze",
    text: str = "text",
    *,
    enabled: bool = True,
    once: IdempotentRequest | None = None,
) -> Policy:
    wanted = PolicyRequest(name=name, text=text, enabled=enabled)
    return create_policy("acme", wanted, "ada", once, policies=policies, checker=CHECKER)


def change(policies: MemoryPolicies, if_match: int | None = None, **changed: object) -> Policy:
    wanted = PolicyChange.model_validate(changed)
    return change_policy(
        "acme", "freeze", wanted, "ada", if_match, policies=policies, checker=CHECKER
    )


def delete(policies: MemoryPolicies, name: str = "freeze", if_match: int | None = None) -> None:
    delete_policy("acme", name, "ada", if_match, policies=policies)


def test_enabled_policies_are_asked_and_the_others_are_not(policies: MemoryPolicies) -> None:
    create(policies)
    create(policies, "draft", enabled=False)
    assert policies.book("acme").texts == {"freeze": "text"}

    change(policies, text="other")
    assert policies.book("acme").texts == {"freeze": "other"}
    change(policies, enabled=False)
    assert policies.book("acme").texts == {}
    change(policies, enabled=True)
    delete(policies, "draft")
    assert policies.book("acme").texts == {"freeze": "other"}
    delete(policies)
    assert policies.book("acme").texts == {}
    assert policies.book("globex") == PolicyBook()


def test_the_digest_changes_with_what_is_asked_and_with_nothing_else(
    policies: MemoryPolicies,
) -> None:
    create(policies)
    first = policies.book("acme").digest

    change(policies, description="another")
    create(policies, "draft", enabled=False)
    assert policies.book("acme").digest == first

    change(policies, text="other")
    assert policies.book("acme").digest != first
    change(policies, text="text")
    assert policies.book("acme").digest == first


def test_every_change_is_announced(policies: MemoryPolicies) -> None:
    create(policies)
    change(policies, enabled=False)
    delete(policies)

    assert [type(event) for event in policies.events] == [
        PolicyCreated,
        PolicyChanged,
        PolicyDeleted,
    ]
    assert {event.subject for event in policies.events} == {"policies/freeze"}


def test_a_change_keeps_what_it_does_not_name(policies: MemoryPolicies) -> None:
    made = create(policies)

    changed = change(policies, description="why")

    assert changed == made.model_copy(update={"description": "why", "version": 2})


def test_a_faulty_text_changes_nothing(policies: MemoryPolicies) -> None:
    create(policies)

    with pytest.raises(InvalidPolicyError) as refused:
        create(policies, "other", "faulty")
    assert refused.value.faults == ("line 1, column 1: it says so",)
    assert refused.value.remedy
    with pytest.raises(InvalidPolicyError):
        change(policies, text="faulty")
    assert policies.book("acme").texts == {"freeze": "text"}


def test_a_stale_tag_changes_nothing(policies: MemoryPolicies) -> None:
    create(policies)
    change(policies, description="changed")

    with pytest.raises(PreconditionFailedError):
        change(policies, if_match=1, enabled=False)
    with pytest.raises(PreconditionFailedError):
        delete(policies, if_match=1)
    delete(policies, if_match=2)


def test_of_two_that_change_policies_at_once_one_is_told(policies: MemoryPolicies) -> None:
    """Else the book would lose one of two policies."""
    create(policies)
    policies.interrupt = lambda: change(policies, text="meanwhile")

    with pytest.raises(ConcurrentChangeError):
        create(policies, "other")

    assert policies.book("acme").texts == {"freeze": "meanwhile"}


def test_number_is_limited_and_a_repeat_of_the_last_is_answered(policies: MemoryPolicies) -> None:
    once = IdempotentRequest("key", "body", START + timedelta(hours=24))
    for number in range(MAX_POLICIES - 1):
        create(policies, f"p{number}")
    last = create(policies, "last", once=once)

    assert create(policies, "last", once=once) == last
    with pytest.raises(AlreadyExistsError):
        create(policies, "last")
    with pytest.raises(LimitExceededError) as refused:
        create(policies, "more")
    assert refused.value.remedy


def test_size_of_all_texts_is_limited_in_bytes(policies: MemoryPolicies) -> None:
    for number in range(MAX_TOTAL_BYTES // 16_000):
        create(policies, f"p{number}", "ü" * 8000, enabled=False)
    create(policies, "freeze")

    with pytest.raises(LimitExceededError):
        change(policies, text="ü" * 4000)
    with pytest.raises(LimitExceededError):
        create(policies, "more", "ü" * 4000)
    assert change(policies, text="short").text == "short"


def test_what_is_not_there_is_not_found(policies: MemoryPolicies) -> None:
    with pytest.raises(NotFoundError):
        change(policies, enabled=False)
    with pytest.raises(NotFoundError):
        delete(policies)


def test_reserved_name_is_refused(policies: MemoryPolicies) -> None:
    with pytest.raises(InvalidRequestError):
        create(policies, "validate")
