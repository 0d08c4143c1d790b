"""What people may set of a deployment, and what could never work or would leave it."""

import pytest
from pydantic import ValidationError

from controlplane.serving.settings import Probe
from controlplane.serving.strategy import (
    MOST_TICKS,
    AllAtOnce,
    BlueGreen,
    Canary,
    CanaryStep,
    Linear,
    RolloutPolicy,
    Shadow,
    Strategy,
)


@pytest.mark.parametrize(
    "path",
    [
        "/../../tenant-other/vision--digits/v1/models/digits:predict",
        "/v1/../../../tenant-other/x",
        "/v1/models/..",
        "/./v1",
        "//v1",
        "/v1//models",
    ],
)
def test_a_probe_cannot_leave_the_deployment(path: str) -> None:
    with pytest.raises(ValidationError, match="segment"):
        Probe(path=path, body="{}")


@pytest.mark.parametrize("path", ["/v1/models/digits:predict", "/v2/", "/a..b/.c/d.", "/..."])
def test_dots_within_a_segment_are_nothing_special(path: str) -> None:
    assert Probe(path=path, body="{}").path == path


@pytest.mark.parametrize(
    ("strategy", "final", "limit"),
    [
        (Linear(percent=1, bake_seconds=3600), 0, 86_400),
        (Canary(steps=(CanaryStep(percent=10, bake_seconds=61),)), 0, 60),
        (Canary(steps=(CanaryStep(percent=10, bake_seconds=40),)), 21, 60),
        (BlueGreen(bake_seconds=61), 0, 60),
        (Shadow(bake_seconds=3600), 0, 3599),
        (AllAtOnce(), 61, 60),
        (Canary(steps=(CanaryStep(percent=10, bake_seconds=60),)), 60, 179),
    ],
)
def test_a_policy_that_could_only_time_out_is_refused(
    strategy: Strategy, final: int, limit: int
) -> None:
    """Also one whose steps take all of it: a revision is not ready at once, nor is a gateway."""
    with pytest.raises(ValidationError, match="or more, or make them shorter"):
        RolloutPolicy(strategy=strategy, final_bake_seconds=final, max_seconds=limit)


def test_a_policy_may_take_just_as_long_as_it_may() -> None:
    step = CanaryStep(percent=10, bake_seconds=60)
    RolloutPolicy(strategy=Canary(steps=(step,)), final_bake_seconds=60, max_seconds=180)
    RolloutPolicy(strategy=AllAtOnce(), max_seconds=60)


def test_a_policy_that_makes_more_ticks_than_can_be_kept_is_refused_and_says_what_can() -> None:
    with pytest.raises(ValidationError, match="set tick_seconds to 2 or more, or max_seconds"):
        RolloutPolicy(tick_seconds=1)
    RolloutPolicy(tick_seconds=2)
    RolloutPolicy(tick_seconds=1, max_seconds=MOST_TICKS)
    with pytest.raises(ValidationError, match="set tick_seconds to 13 or more"):
        RolloutPolicy(tick_seconds=12, max_seconds=7 * 24 * 3600)
    RolloutPolicy(tick_seconds=13, max_seconds=7 * 24 * 3600)
