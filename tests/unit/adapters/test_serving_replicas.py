"""A revision that is not at its full size: whether it answers all the same."""

from typing import Any

import pytest

from controlplane.adapters.kserve_readiness import observe_workload
from controlplane.serving.ports import RevisionState


def deployment(wanted: int, available: int, seen: int = 3) -> dict[str, Any]:
    return {
        "metadata": {"generation": 3},
        "spec": {"replicas": wanted, "template": {}},
        "status": {
            "observedGeneration": seen,
            "updatedReplicas": wanted,
            "availableReplicas": available,
        },
    }


def endpoints(*ready: bool) -> list[dict[str, Any]]:
    return [{"endpoints": [{"conditions": {"ready": each}} for each in ready]}]


@pytest.mark.parametrize(
    ("wanted", "available", "seen", "ready", "serves"),
    [
        (3, 2, 3, (True, True), True),  # an autoscaler has asked for one more
        (3, 3, 2, (True, True, True), True),  # and the Deployment's controller has not seen it yet
        (3, 2, 3, (False, False), False),
        (3, 2, 3, (), False),
        (3, 0, 3, (True,), False),  # an endpoint that is about to go
    ],
)
def test_a_revision_that_grows_serves_while_an_endpoint_is_ready(
    wanted: int, available: int, seen: int, ready: tuple[bool, ...], serves: bool
) -> None:
    found = observe_workload({}, deployment(wanted, available, seen), endpoints(*ready))

    assert (found.state, found.serves) == (RevisionState.PROGRESSING, serves)
    assert found.answers is serves


def test_a_revision_at_its_full_size_answers() -> None:
    found = observe_workload({}, deployment(2, 2), endpoints(True))

    assert (found.state, found.answers) == (RevisionState.READY, True)


@pytest.mark.parametrize("found", [None, deployment(2, 2)])
def test_a_revision_without_deployment_or_endpoint_does_not(found: dict[str, Any] | None) -> None:
    assert not observe_workload({}, found, endpoints()).answers
