"""Whatever is asked at once, somebody can run the tenant afterwards."""

from hypothesis import given, settings

from tests.fakes import clock_stopped
from tests.unit.people.interleaving import NAMES, Request, administrators, play, schedules
from tests.unit.people.world import World


@given(schedule=schedules())
@settings(max_examples=300)
def test_an_administrator_remains_and_the_set_is_the_truth(schedule: list[Request]) -> None:
    with clock_stopped() as clock:
        world = World(clock)
        for name in NAMES:
            world.invite(name, "tenant-admin")
        play("acme", schedule, world.people)

        assert administrators("acme", world.people)
        assert world.principals.administrators["acme"] == administrators("acme", world.people)
