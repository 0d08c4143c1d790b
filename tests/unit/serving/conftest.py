"""Serving's world, at a moment that stands still."""

import pytest

from tests.fakes import Clock
from tests.unit.serving.world import World


@pytest.fixture
def world(clock: Clock) -> World:
    return World()
