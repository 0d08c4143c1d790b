"""When a revision is ready, whatever KServe's own status says of it."""

from typing import Any

import pytest

from controlplane.adapters.kserve_readiness import is_route_settled, observe
from controlplane.serving.ports import RevisionState

READY_CONDITION = {"type": "Ready", "status": "True"}


def service(transition: str = "UpToDate", **failure: str) -> dict[str, Any]:
    """An InferenceService that calls itself ready, as it does while it progresses (kserve#4626)."""
    status: dict[str, Any] = {"transitionStatus": transition}
    if failure:
        status["lastFailureInfo"] = failure
    return {
        "metadata": {"generation": 2},
        "spec": {"predictor": {}},
        "status": {
            "conditions": [READY_CONDITION],
            "observedGeneration": 2,
            "modelStatus": status,
        },
    }


def deployment(**changes: object) -> dict[str, Any]:
    status = {"observedGeneration": 3, "updatedReplicas": 2, "availableReplicas": 2} | changes
    return {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}


def endpoints(*ready: bool | None) -> dict[str, Any]:
    return {"endpoints": [{"conditions": {"ready": each}} for each in ready]}


def test_a_revision_with_replicas_and_a_ready_endpoint_is_ready() -> None:
    seen = observe(service(), deployment(), [endpoints(False), endpoints(False, True)])

    assert seen.state is RevisionState.READY


def test_a_revision_that_is_not_there_is_missing() -> None:
    assert observe(None, deployment(), [endpoints(True)]).state is RevisionState.MISSING


@pytest.mark.parametrize(
    ("of_deployment", "slices", "word"),
    [
        (None, [endpoints(True)], "Deployment is not there"),
        (deployment(observedGeneration=2), [endpoints(True)], "rolled out"),
        (deployment(observedGeneration=None), [endpoints(True)], "rolled out"),
        (deployment(updatedReplicas=1), [endpoints(True)], "rolled out"),
        (deployment(availableReplicas=1), [endpoints(True)], "rolled out"),
        ({"metadata": {"generation": 3}, "spec": {"replicas": 2}}, [endpoints(True)], "rolled out"),
        (deployment() | {"spec": {"replicas": 0}}, [endpoints(True)], "rolled out"),
        (deployment(), [], "endpoint"),
        (deployment(), [endpoints()], "endpoint"),
        (deployment(), [{"endpoints": None}], "endpoint"),
        (deployment(), [endpoints(False)], "endpoint"),
        (deployment(), [endpoints(None)], "endpoint"),
        (deployment(), [{"endpoints": [{}]}], "endpoint"),
    ],
)
def test_a_revision_that_calls_itself_ready_is_not_believed(
    of_deployment: dict[str, Any] | None, slices: list[dict[str, Any]], word: str
) -> None:
    seen = observe(service(), of_deployment, slices)

    assert seen.state is RevisionState.PROGRESSING
    assert word in seen.message


@pytest.mark.parametrize("transition", ["InProgress", "UpToDate", ""])
def test_a_revision_that_still_loads_has_not_failed(transition: str) -> None:
    seen = observe(service(transition, reason="ModelLoadFailed"), None, [])

    assert seen.state is RevisionState.PROGRESSING


@pytest.mark.parametrize("transition", ["BlockedByFailedLoad", "InvalidSpec"])
def test_a_model_that_cannot_be_loaded_has_failed_with_kserves_reason(transition: str) -> None:
    broken = service(transition, reason="ModelLoadFailed", message="KeyError: 'w'")

    seen = observe(broken, deployment(), [endpoints(True)])

    assert seen.state is RevisionState.FAILED
    assert (seen.reason, seen.message) == ("ModelLoadFailed", "KeyError: 'w'")


def test_a_failure_without_details_still_says_something() -> None:
    seen = observe(service("InvalidSpec"), None, [])

    assert (seen.state, seen.reason) == (RevisionState.FAILED, "InvalidSpec")
    assert "InvalidSpec" in seen.message


def test_an_object_that_the_controller_has_not_seen_yet_progresses() -> None:
    assert observe({"metadata": {}}, None, []).state is RevisionState.PROGRESSING


def test_one_replica_is_wanted_where_the_object_says_nothing() -> None:
    one = {
        "metadata": {"generation": 1},
        "status": {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1},
    }

    assert observe(service(), one, [endpoints(True)]).state is RevisionState.READY


def test_a_stopped_revision_says_so_whatever_its_deployment_still_shows() -> None:
    stopped = service()
    stopped["metadata"]["annotations"] = {"serving.kserve.io/stop": "true"}

    seen = observe(stopped, deployment(), [endpoints(True)])

    assert (seen.state, seen.reason) == (RevisionState.PROGRESSING, "Stopped")


def route(**changes: object) -> dict[str, Any]:
    """A route of generation 4 that our gateway has taken over."""
    conditions = [
        {"type": kind, "status": "True", "observedGeneration": 4}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    parent = {"parentRef": {"namespace": "gateways", "name": "ours"}, "conditions": conditions}
    return {
        "metadata": {"namespace": "tenant-acme", "generation": 4},
        "status": {"parents": [parent | changes]},
    }


def condition(**changes: object) -> list[dict[str, Any]]:
    (parent,) = route()["status"]["parents"]
    return [parent["conditions"][0], parent["conditions"][1] | changes]


def test_a_route_that_our_gateway_serves_as_it_is_written_is_settled() -> None:
    assert is_route_settled(route(), ("gateways", "ours"))


@pytest.mark.parametrize(
    "found",
    [
        {"metadata": {"generation": 1}},
        {"metadata": {"generation": 4}, "status": {"parents": []}},
        route(parentRef={"namespace": "gateways", "name": "another"}),
        route(parentRef={"name": "ours"}),
        route(parentRef={"namespace": "gateways", "name": "ours", "kind": "Service"}),
        route(conditions=[]),
        route(conditions=condition(status="False")),
        route(conditions=condition(status="Unknown")),
        route(conditions=condition(observedGeneration=3)),
        route(conditions=condition(observedGeneration=None)),
    ],
)
def test_a_route_of_which_nothing_is_known_yet_is_not_settled(found: dict[str, Any]) -> None:
    assert not is_route_settled(found, ("gateways", "ours"))
