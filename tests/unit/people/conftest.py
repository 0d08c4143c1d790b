"""The world of people and machines, at a moment that stands still."""

import pytest

from tests.fakes import Clock
from tests.unit.people.world import World


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock)
