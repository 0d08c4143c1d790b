"""A key's exchange, when others do the same or the opposite at the same moment."""

import pytest

from controlplane.errors import UnauthenticatedError
from controlplane.people.exchange import Exchanged, check_key, exchange_key
from controlplane.people.machines import revoke_key
from tests.unit.people.world import SECRET, World


def exchange(world: World, text: str) -> Exchanged:
    return exchange_key(text, ring=world.machines, pool=world.pool, secret=SECRET)


def test_two_first_exchanges_at_once_share_one_user(world: World) -> None:
    text = world.create_key().text
    answers = []
    world.table.interrupt = lambda: answers.append(exchange(world, text))
    answers.append(exchange(world, text))

    assert len(answers) == 2
    assert len({answer.key.subject for answer in answers}) == 1
    assert len(world.pool.users) == 1
    assert list(world.principals.memberships.values()) == ["acme"]


def test_a_key_that_is_revoked_during_its_first_exchange_opens_nothing(world: World) -> None:
    made = world.create_key()

    def revoke() -> None:
        revoke_key("acme", made.key.key_id, None, machines=world.machines)

    world.table.interrupt = revoke
    with pytest.raises(UnauthenticatedError) as refused:
        exchange(world, made.text)
    with pytest.raises(UnauthenticatedError) as malformed:
        exchange(world, "nothing")

    assert world.principals.memberships == {}
    assert str(refused.value) == str(malformed.value)


@pytest.mark.parametrize("status", ["Suspended", "Onboarding", "Offboarded", None])
def test_keys_of_tenants_that_are_not_active_open_nothing(world: World, status: str | None) -> None:
    text = world.create_key().text
    exchange(world, text)
    world.machines.tenants = {"acme": status} if status else {}

    with pytest.raises(UnauthenticatedError):
        exchange(world, text)


def test_a_use_is_noted_once_a_minute(world: World) -> None:
    made = world.create_key()
    place = ("acme", made.key.key_id)
    exchange(world, made.text)
    first = world.machines.keys[place].last_used_at
    world.clock.advance(59)
    exchange(world, made.text)
    assert world.machines.keys[place].last_used_at == first
    world.clock.advance(1)
    exchange(world, made.text)

    assert world.machines.keys[place].last_used_at == world.clock.moment


def test_a_key_is_good_until_its_last_second(world: World) -> None:
    made = world.create_key("infer")
    life = (made.key.valid_until - made.key.created_at).total_seconds()
    world.clock.advance(life - 1)
    assert check_key(made.text, "infer", None, ring=world.machines).allowed
    world.clock.advance(1)

    checked = check_key(made.text, "infer", None, ring=world.machines)
    assert (checked.allowed, checked.reason) == (False, "expired_or_revoked")
    with pytest.raises(UnauthenticatedError):
        exchange(world, made.text)


def test_what_can_be_no_key_asks_nobody(world: World) -> None:
    assert check_key("hr_acme_k0_0", "infer", None, ring=world.machines).reason == "malformed"
    assert world.machines.reads == 0
