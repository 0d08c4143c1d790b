"""Status as KServe writes it, computed from pods and held against the CustomResourceDefinition."""

from collections.abc import Sequence
from typing import Any

import pytest

from local.kserve_controller.conditions import FALSE, TRUE, UNKNOWN
from local.kserve_controller.pods import Pod
from local.kserve_controller.runtimes import PredictorSpecError, Runtime
from local.kserve_controller.specification import read_inference_service
from local.kserve_controller.status import (
    Ingress,
    deployment_status,
    invalid_status,
    running_status,
    stopped_status,
)
from tests.local.kserve_controller.samples import (
    CRASHED,
    LATER,
    NOW,
    READY,
    inference_service,
    pod,
    stored,
)
from tests.local.kserve_controller.schema import assert_conforms

RUNTIME = Runtime("kserve-sklearnserver", True, {})
ADDRESS = "http://s-predictor.tenant-acme.svc.cluster.local"
INGRESS = Ingress(ADDRESS, ADDRESS, TRUE)
INVALID = PredictorSpecError("RuntimeNotRecognized", "Waiting for runtime to become available")


def status_of(
    pods: Sequence[Pod], previous: dict[str, Any] | None = None, ingress: Ingress = INGRESS
) -> dict[str, Any]:
    deployment = deployment_status(pods, "new", 3, previous={}, now=NOW)
    status = running_status(
        previous or {},
        pods=pods,
        deployment=deployment,
        runtime=RUNTIME,
        ingress=ingress,
        now=NOW,
    )
    assert_conforms(status)
    return status


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(dict(each) for each in status["conditions"] if each["type"] == kind)


COUNTS = (
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
)
OLD = pod("p-predictor-old-1", "old", **READY)

SITUATIONS = {
    "starting": ([pod()], FALSE, "MinimumReplicasUnavailable", "InProgress", "Pending"),
    "ready": ([pod(**READY)], TRUE, None, "UpToDate", "Loaded"),
    "crashed": (
        [pod(**CRASHED)],
        *(FALSE, "MinimumReplicasUnavailable", "BlockedByFailedLoad", "FailedToLoad"),
    ),
    "crashed after it was ready": (
        [pod(**CRASHED | {"was_ready": True})],
        *(FALSE, "MinimumReplicasUnavailable", "BlockedByFailedLoad", "FailedToLoad"),
    ),
    "being replaced": ([pod(), OLD], UNKNOWN, "ReplicaSetUpdated", "InProgress", "Pending"),
    "replaced, the old one drains": (
        [pod(**READY), pod("p-predictor-old-1", "old", **READY, retiring=True)],
        *(TRUE, None, "UpToDate", "Loaded"),
    ),
    "replacement crashes": (
        [pod(**CRASHED), OLD],
        *(UNKNOWN, "ReplicaSetUpdated", "BlockedByFailedLoad", "FailedToLoad"),
    ),
    "replacement has failed for good": (
        [pod(**CRASHED | {"exhausted": True}), OLD],
        *(FALSE, "ProgressDeadlineExceeded", "BlockedByFailedLoad", "FailedToLoad"),
    ),
}


@pytest.mark.parametrize(
    ("pods", "ready", "reason", "transition", "target"), SITUATIONS.values(), ids=SITUATIONS
)
def test_the_status_tells_the_situation(
    pods: list[Pod], ready: str, reason: str | None, transition: str, target: str
) -> None:
    status = status_of(pods)

    for kind in ("PredictorReady", "Ready"):
        assert condition(status, kind)["status"] == ready
        assert condition(status, kind).get("reason") == reason
    assert status["modelStatus"]["transitionStatus"] == transition
    assert status["modelStatus"]["states"]["targetModelState"] == target


def test_a_ready_service_names_its_addresses_its_runtime_and_its_copies() -> None:
    status = status_of([pod(**READY)])

    assert status["url"] == status["address"]["url"] == ADDRESS
    assert status["components"] == {"predictor": {"url": ADDRESS}}
    assert status["clusterServingRuntimeName"] == "kserve-sklearnserver"
    assert status["modelStatus"]["copies"] == {"failedCopies": 0, "totalCopies": 1}
    assert status["observedGeneration"] == 3


def test_a_failed_load_tells_where_when_and_why() -> None:
    failure = status_of([pod(**CRASHED)])["modelStatus"]["lastFailureInfo"]

    assert failure == {
        "reason": "ModelLoadFailed",
        "message": "cannot load model m: EOFError",
        "location": "p-predictor-new-1",
        "time": "2026-01-02T03:04:05Z",
        "exitCode": 1,
    }


def test_the_last_failure_stays_after_a_load_that_succeeded() -> None:
    failed = status_of([pod(**CRASHED)])

    recovered = status_of([pod(**READY)], previous=failed)

    assert recovered["modelStatus"]["transitionStatus"] == "UpToDate"
    assert recovered["modelStatus"]["lastFailureInfo"] == failed["modelStatus"]["lastFailureInfo"]


def test_a_route_that_is_not_accepted_keeps_a_service_from_being_ready() -> None:
    ingress = Ingress("http://gateway/serving/a/b", ADDRESS, FALSE, "NoParent", "no such gateway")

    status = status_of([pod(**READY)], ingress=ingress)

    assert condition(status, "PredictorReady")["status"] == TRUE
    assert condition(status, "Ready")["reason"] == "NoParent"
    assert status["modelStatus"]["transitionStatus"] == "InProgress"


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = status_of([pod()])
    deployment = deployment_status([pod(**READY)], "new", 3, previous={}, now=LATER)

    second = running_status(
        first,
        pods=[pod(**READY)],
        deployment=deployment,
        runtime=RUNTIME,
        ingress=INGRESS,
        now=LATER,
    )

    assert condition(second, "IngressReady") == condition(first, "IngressReady")
    assert condition(second, "Ready")["lastTransitionTime"] == "2026-01-02T04:00:00Z"


def test_a_deployment_counts_its_replicas_and_remembers_when_conditions_flipped() -> None:
    before = deployment_status([pod(), OLD], "new", 2, previous={}, now=NOW)
    after = deployment_status([pod(**READY)], "new", 2, previous=before, now=LATER)

    assert {name: before[name] for name in ("replicas", "updatedReplicas", "readyReplicas")} == {
        "replicas": 2,
        "updatedReplicas": 1,
        "readyReplicas": 1,
    }
    assert "unavailableReplicas" not in after
    available, progressing = after["conditions"]
    assert available["lastUpdateTime"] == "2026-01-02T03:04:05Z"
    assert progressing["lastUpdateTime"] == "2026-01-02T04:00:00Z"
    assert progressing["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def deployment_of(pods: Sequence[Pod], wanted: int, before: dict[str, Any]) -> dict[str, Any]:
    return deployment_status(pods, "new", 2, previous=before, now=NOW, wanted=wanted)


def reasons(deployment: dict[str, Any]) -> list[str]:
    return [condition["reason"] for condition in deployment["conditions"]]


def test_a_deployment_counts_every_replica_by_itself() -> None:
    pods = [pod("p-2"), pod("p-1", **READY)]

    coming = deployment_of(pods, 3, {})

    assert {name: coming.get(name) for name in COUNTS} == {
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "unavailableReplicas": 2,
    }
    assert reasons(coming) == ["MinimumReplicasUnavailable", "ReplicaSetUpdated"]


def test_a_deployment_that_had_all_replicas_is_complete_while_it_grows_or_suffers() -> None:
    both = deployment_of([pod("p-2", **READY), pod("p-1", **READY)], 2, {})
    suffering = deployment_of([pod("p-2", **READY), pod("p-1", **CRASHED, was_ready=True)], 2, both)
    growing = deployment_of([pod("p-3"), pod("p-2", **READY), pod("p-1", **READY)], 3, both)

    assert reasons(both) == ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]
    assert reasons(suffering) == ["MinimumReplicasUnavailable", "NewReplicaSetAvailable"]
    assert reasons(growing) == ["MinimumReplicasUnavailable", "NewReplicaSetAvailable"]


def test_a_quarter_of_four_may_be_away() -> None:
    pods = [pod("p-4"), *(pod(f"p-{number}", **READY) for number in range(3))]

    assert reasons(deployment_of(pods, 4, {}))[0] == "MinimumReplicasAvailable"


def test_a_deployment_of_no_replicas_is_complete_and_serves_nobody() -> None:
    # Ready by KServe's own rule, which is why readiness is never read from conditions alone.
    status = deployment_of([], 0, {})

    assert not set(COUNTS) & status.keys()
    assert reasons(status) == ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]


def test_an_invalid_spec_says_so_in_conditions_and_model_status() -> None:
    status = invalid_status({}, INVALID, serving=False, now=NOW)

    assert_conforms(status)
    assert condition(status, "Ready")["reason"] == "RuntimeNotRecognized"
    assert status["modelStatus"] == {
        "transitionStatus": "InvalidSpec",
        "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
        "lastFailureInfo": {"reason": INVALID.reason, "message": str(INVALID)},
    }


def test_an_invalid_spec_leaves_the_conditions_of_what_still_serves() -> None:
    serving = status_of([pod(**READY)])

    status = invalid_status(serving, INVALID, serving=True, now=LATER)

    assert_conforms(status)
    assert status["conditions"] == serving["conditions"]
    assert status["modelStatus"]["states"]["activeModelState"] == "Loaded"


@pytest.mark.parametrize("cluster_local", [True, False])
def test_a_stopped_service_forgets_its_model(cluster_local: bool) -> None:
    manifest = inference_service() if cluster_local else inference_service(labels={})
    service = read_inference_service(stored(manifest))

    status = stopped_status(status_of([pod(**READY)]), service, INGRESS, LATER)

    assert_conforms(status)
    assert condition(status, "Stopped")["status"] == TRUE
    assert condition(status, "Ready")["reason"] == "Stopped"
    assert condition(status, "IngressReady")["status"] == (TRUE if cluster_local else FALSE)
    assert status["modelStatus"] == {"transitionStatus": ""}
    assert ("url" in status) == cluster_local


def test_a_resumed_service_starts_from_pending() -> None:
    service = read_inference_service(stored(inference_service()))
    stopped = stopped_status(status_of([pod(**READY)]), service, INGRESS, NOW)

    resumed = status_of([pod()], previous=stopped)

    assert condition(resumed, "Stopped")["status"] == FALSE
    assert resumed["modelStatus"]["states"] == {
        "activeModelState": "",
        "targetModelState": "Pending",
    }
