"""The number of replicas: read from a spec, and decided by the processor time that they use."""

from typing import Any

import pytest

from local.kserve_controller.autoscaler import Autoscaler, ScalingPolicy, ScalingState
from local.kserve_controller.scaling import autoscaler_status, horizontal_pod_autoscaler
from local.kserve_controller.specification import Scaling, read_inference_service
from tests.local.kserve_controller.samples import LATER, NOW, inference_service, stored

POLICY = ScalingPolicy(period=5, settle=30)
BOUNDS = Scaling(least=1, most=4, automatic=True, target=50)


def scaling_of(annotations: dict[str, str] | None = None, **predictor: Any) -> Scaling:
    manifest = stored(inference_service(annotations=annotations))
    manifest["spec"]["predictor"] |= predictor
    return read_inference_service(manifest).scaling


@pytest.mark.parametrize(
    ("predictor", "expected"),
    [
        ({}, Scaling(1, 1)),
        ({"minReplicas": 3}, Scaling(3, 3)),
        ({"minReplicas": 0}, Scaling(0, 0)),
        ({"minReplicas": 0, "maxReplicas": 3}, Scaling(0, 3)),
        ({"minReplicas": 2, "maxReplicas": 5}, Scaling(2, 5, automatic=True)),
        ({"minReplicas": 2, "maxReplicas": 0}, Scaling(2, 2)),
        ({"maxReplicas": 3, "scaleTarget": 60}, Scaling(1, 3, automatic=True, target=60)),
        ({"scaleMetric": "memory"}, Scaling(1, 1, automatic=True, metric="memory")),
    ],
)
def test_bounds_are_read_with_kserves_defaults(
    predictor: dict[str, Any], expected: Scaling
) -> None:
    assert scaling_of(**predictor) == expected


def test_an_autoscaler_may_be_asked_for_by_annotation() -> None:
    assert scaling_of({"serving.kserve.io/autoscalerClass": "hpa"}).automatic


def test_usage_is_of_what_a_replica_requests() -> None:
    model = inference_service(resources={"requests": {"cpu": "500m"}})["spec"]["predictor"]["model"]

    assert scaling_of(model=model).cpu_request == 0.5


class Replicas:
    """Replicas that each use so many cores, looked at second after second."""

    def __init__(self, scaling: Scaling = BOUNDS) -> None:
        self.scaler = Autoscaler(POLICY)
        self.scaling = scaling
        self.used: dict[str, float] = {}
        self.now = 0.0
        self.state = self.scaler.decide(scaling, {}, 0)

    def run(self, seconds: int, cores: float) -> ScalingState:
        for _ in range(seconds):
            self.now += 1
            names = [f"p-{number}" for number in range(self.state.desired)]
            self.used = {name: self.used.get(name, 0) + cores for name in names}
            self.state = self.scaler.decide(self.scaling, self.used, self.now)
        return self.state


def test_a_fixed_number_is_what_the_spec_says() -> None:
    assert Replicas(Scaling(3, 3)).run(20, 1.0).desired == 3


def test_busy_replicas_become_more_up_to_the_most() -> None:
    replicas = Replicas()

    assert replicas.run(7, 1.0).desired == 2
    assert replicas.state.usage == 100
    assert replicas.run(60, 1.0).desired == 4


def test_a_tenth_beside_the_target_changes_nothing() -> None:
    assert Replicas().run(60, 0.54).desired == 1


def test_idle_replicas_become_fewer_but_only_after_a_while() -> None:
    replicas = Replicas()
    replicas.run(60, 1.0)

    assert replicas.run(20, 0.01).desired == 4
    assert replicas.run(30, 0.01).desired == 1


def test_a_spec_with_narrower_bounds_holds_at_once() -> None:
    replicas = Replicas()
    replicas.run(60, 1.0)
    replicas.scaling = Scaling(least=1, most=2, automatic=True, target=50)

    assert replicas.run(1, 1.0).desired == 2


def test_a_restarted_server_counts_from_nothing() -> None:
    replicas = Replicas()
    replicas.run(3, 0.5)
    replicas.used = {"p-0": 0.0}

    assert replicas.run(10, 0.5).desired == 1


def test_without_usage_nothing_changes_and_it_says_so() -> None:
    scaler = Autoscaler(POLICY)
    states = [scaler.decide(BOUNDS, {}, moment) for moment in range(60)]

    assert {state.desired for state in states} == {1}
    conditions = autoscaler_status(states[-1], 1, 1, previous={}, now=NOW)["conditions"]
    active = next(each for each in conditions if each["type"] == "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "FailedGetResourceMetric")


def test_the_object_holds_the_bounds_and_its_status_what_is_wanted() -> None:
    manifest = stored(inference_service("m"))
    manifest["spec"]["predictor"] |= {"minReplicas": 2, "maxReplicas": 5, "scaleTarget": 60}
    service = read_inference_service(manifest)

    written = horizontal_pod_autoscaler(service)
    before = autoscaler_status(ScalingState(service.scaling, 2, 90), 2, 3, previous={}, now=NOW)
    after = autoscaler_status(
        ScalingState(service.scaling, 3, 90), 2, 3, previous=before, now=LATER
    )

    assert written["metadata"]["name"] == written["spec"]["scaleTargetRef"]["name"] == "m-predictor"
    assert (written["spec"]["minReplicas"], written["spec"]["maxReplicas"]) == (2, 5)
    (metric,) = written["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    assert "lastScaleTime" not in before
    assert (after["currentReplicas"], after["desiredReplicas"]) == (2, 3)
    assert after["lastScaleTime"] == "2026-01-02T04:00:00Z"
