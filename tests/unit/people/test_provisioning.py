"""The user pool follows the table, whatever fails in between and however often it is told."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.errors import (
    ConcurrentChangeError,
    HeadraceError,
    NotFoundError,
    UnavailableError,
)
from controlplane.people.model import PersonStatus
from controlplane.people.provisioning import note_sign_in, remove_key_user
from controlplane.people.service import (
    change_roles,
    disable_person,
    enable_person,
    remove_person,
    reset_credentials,
)
from controlplane.people.usernames import person_username
from tests.fakes import clock_stopped
from tests.unit.people.world import World


def test_a_repeat_invites_once(world: World) -> None:
    first = world.invite("ada")

    assert world.apply("ada") == first
    assert world.pool.sent == [("ada@acme.example", "invitation")]
    assert world.kinds() == ["PersonInvited", "InvitationSent"]


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_what_may_succeed_later_is_told_and_taken_up_again(world: World, fails: int) -> None:
    world.write_down("ada")
    world.pool.fails = fails
    for _ in range(fails):
        with pytest.raises(UnavailableError):
            world.apply("ada")
        failed = world.people.get("acme", "ada")
        assert (failed.status, failed.reason) == (
            PersonStatus.FAILED,
            "the user pool did not answer",
        )
    invited = world.apply("ada")

    assert (invited.status, invited.reason) == (PersonStatus.INVITED, None)
    assert world.kinds() == ["PersonInvited", "InvitationFailed", "InvitationSent"]


def test_an_address_that_never_works_waits_for_a_person(world: World) -> None:
    world.pool.refused_addresses.add("ada@acme.example")
    failed = world.invite("ada")
    assert failed.status is PersonStatus.FAILED
    world.apply("ada")
    assert world.kinds() == ["PersonInvited", "InvitationFailed"]
    world.pool.refused_addresses.clear()
    again = reset_credentials("acme", "ada", None, people=world.people)
    assert (again.status, again.reason) == (PersonStatus.INVITING, None)

    assert world.apply("ada").status is PersonStatus.INVITED


def test_a_user_whose_person_has_changed_meanwhile_is_no_member(world: World) -> None:
    world.write_down("ada", "tenant-admin")

    def disable() -> None:
        disable_person("acme", "ada", None, people=world.people)

    world.pool.crash = disable
    with pytest.raises(ConcurrentChangeError):
        world.apply("ada")
    assert world.principals.memberships == {}
    assert world.apply("ada").status is PersonStatus.DISABLED
    assert world.principals.administrators.get("acme", set()) == set()
    enabled = enable_person("acme", "ada", None, people=world.people)

    assert enabled.status is PersonStatus.INVITING
    assert world.apply("ada").status is PersonStatus.INVITED
    assert len(world.pool.sent) == 1


def test_the_first_sign_in_is_an_event_and_later_ones_are_not(world: World) -> None:
    ada = world.invite("ada")
    assert ada.subject is not None
    for _ in range(3):
        last = world.principals.records["acme", ada.subject].signed_in_at
        note_sign_in("acme", "ada", ada.subject, last, people=world.people)
        world.clock.advance(1800)

    assert world.kinds().count("PersonActivated") == 1
    active = world.people.get("acme", "ada")
    assert active.status is PersonStatus.ACTIVE
    assert active.signed_in_at == int(world.clock.moment.timestamp()) - 1800
    assert active.version == ada.version + 1


def test_the_user_of_a_key_that_is_not_revoked_keeps_its_membership(world: World) -> None:
    key = world.create_key().key
    world.machines.adopt("acme", key, "sub")
    remove_key_user(
        "acme", key.key_id, machines=world.machines, ring=world.machines, pool=world.pool
    )

    assert world.principals.memberships == {"sub": "acme"}


@given(
    steps=st.lists(
        st.sampled_from(["apply", "fail", "disable", "enable", "viewer", "reset", "remove"]),
        max_size=12,
    )
)
@settings(max_examples=200)
def test_in_the_end_the_pool_is_what_the_table_says(steps: list[str]) -> None:
    with clock_stopped() as clock:
        world = World(clock)
        world.invite("root", "tenant-admin")
        world.write_down("ada", "developer")
        actions = {
            "disable": lambda: disable_person("acme", "ada", None, people=world.people),
            "enable": lambda: enable_person("acme", "ada", None, people=world.people),
            "viewer": lambda: change_roles(
                "acme", "ada", ("viewer",), "root", None, people=world.people
            ),
            "reset": lambda: reset_credentials("acme", "ada", None, people=world.people),
            "remove": lambda: remove_person("acme", "ada", None, people=world.people),
        }
        for step in steps:
            world.pool.fails = 1 if step == "fail" else 0
            with suppress(HeadraceError):  # a refusal, or an outage: what follows must hold
                actions.get(step, lambda: world.apply("ada"))()
        world.pool.fails = 0
        _settle(world)
        _is_in_line(world)


def _settle(world: World) -> None:
    """Deliver the last event once more, twice: the queue does that to what failed."""
    for _ in range(2):
        with suppress(NotFoundError):  # gone when it is looked at afterwards
            world.apply("ada")


def _is_in_line(world: World) -> None:
    user = world.pool.users.get(person_username("acme", "ada"))
    person = world.people.items.get(("acme", "ada"))
    if person is None:
        assert user is None
        assert set(world.principals.memberships.values()) <= {"acme"}
        assert len(world.principals.memberships) == 1
        return
    assert person.status in {PersonStatus.INVITED, PersonStatus.DISABLED}
    if person.status is PersonStatus.DISABLED:
        assert user is None or person.subject is None or not user.enabled
        return
    assert user is not None
    assert user.enabled
    assert user.groups == {"tenant-acme", *person.roles}
    assert person.reset is None
    assert world.principals.memberships[user.subject] == "acme"
