"""Which runtime serves a model, and what its server is told."""

from typing import Any

import pytest

from local.kserve_controller.runtimes import (
    SKLEARN_SERVER,
    PredictorSpecError,
    Runtime,
    model_name,
    pod_template,
    read_runtimes,
    select_runtime,
    server_module,
)
from local.kserve_controller.specification import InferenceService, read_inference_service
from tests.local.kserve_controller.samples import inference_service, stored

CLUSTER = read_runtimes([SKLEARN_SERVER], cluster_scoped=True)
SHIPPED = CLUSTER["kserve-sklearnserver"]


def read(**model: Any) -> InferenceService:
    return read_inference_service(stored(inference_service(**model)))


def select(
    namespaced: dict[str, Runtime] | None = None,
    cluster: dict[str, Runtime] | None = None,
    **model: Any,
) -> Runtime:
    service = read(**model)
    assert service.model is not None
    return select_runtime(service.model, namespaced or {}, CLUSTER if cluster is None else cluster)


def test_the_named_runtime_is_selected() -> None:
    assert select() == SHIPPED


def test_a_namespaces_runtime_hides_the_clusters() -> None:
    own = Runtime(SHIPPED.name, False, SHIPPED.spec)

    assert select({own.name: own}) is own


def test_without_a_name_a_runtime_that_fits_is_found() -> None:
    assert select(runtime=None) == SHIPPED


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"runtime": "mlserver"}, "RuntimeNotRecognized"),
        ({"modelFormat": {"name": "onnx"}}, "NoSupportingRuntime"),
        ({"modelFormat": {"name": "onnx"}, "runtime": None}, "NoSupportingRuntime"),
        ({"modelFormat": {"name": "sklearn", "version": "0"}}, "NoSupportingRuntime"),
        ({"protocolVersion": "grpc-v2"}, "NoSupportingRuntime"),
        ({"protocolVersion": "grpc-v2", "runtime": None}, "NoSupportingRuntime"),
    ],
)
def test_a_model_that_no_runtime_serves_is_refused_with_kserves_reason(
    model: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PredictorSpecError) as refused:
        select(**model)

    assert refused.value.reason == reason


def test_a_disabled_runtime_is_refused() -> None:
    disabled = Runtime(SHIPPED.name, True, SHIPPED.spec | {"disabled": True})

    with pytest.raises(PredictorSpecError) as refused:
        select(cluster={disabled.name: disabled})

    assert refused.value.reason == "RuntimeDisabled"


def test_the_models_arguments_follow_the_runtimes_and_the_last_name_counts() -> None:
    template = pod_template(read(args=["--model_name=digits"]), SHIPPED)

    assert template.args == (
        "--model_name=vision--digits--v1",
        "--model_dir=/mnt/models",
        "--http_port=8080",
        "--model_name=digits",
    )
    assert model_name(template) == "digits"


def test_a_name_may_be_an_argument_of_its_own() -> None:
    assert model_name(pod_template(read(args=["--model_name", "b"]), SHIPPED)) == "b"


def test_the_models_variables_override_the_runtimes() -> None:
    container = SHIPPED.spec["containers"][0] | {
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]
    }
    runtime = Runtime("r", True, SHIPPED.spec | {"containers": [container]})

    template = pod_template(read(env=[{"name": "B", "value": "2"}]), runtime)

    assert template.env == (("A", "1"), ("B", "2"))


def test_a_template_changes_with_what_runs_and_with_nothing_else() -> None:
    first = pod_template(read(), SHIPPED).digest
    larger = stored(inference_service())
    larger["spec"]["predictor"]["minReplicas"] = 3

    assert pod_template(read_inference_service(larger), SHIPPED).digest == first
    assert pod_template(read(uri="s3://models/other"), SHIPPED).digest != first
    assert pod_template(read(args=[]), SHIPPED).digest != first


@pytest.mark.parametrize(
    "runtime", [SHIPPED, Runtime("r", True, {"containers": [{"name": "other"}]})]
)
def test_a_predictor_without_model_or_container_is_invalid(runtime: Runtime) -> None:
    service = read(uri="") if runtime is SHIPPED else read()

    with pytest.raises(PredictorSpecError) as refused:
        pod_template(service, runtime)

    assert refused.value.reason == "InvalidPredictorSpec"


def test_an_image_that_cannot_run_here_is_refused_by_name() -> None:
    assert server_module("registry.example:5000/kserve/sklearnserver:v1@sha256:0") == (
        "local.serving.sklearn_server"
    )
    with pytest.raises(PredictorSpecError, match="cannot run image nvcr"):
        server_module("nvcr.io/tritonserver:26")


def test_annotations_and_labels_reach_the_pods_and_make_new_ones() -> None:
    """As KServe copies them: the predictor's before the object's, and those before the runtime's."""
    manifest = stored(
        inference_service(annotations={"a.example/note": "1", "a.example/both": "object"})
    )
    manifest["spec"]["predictor"] |= {
        "annotations": {"a.example/both": "predictor"},
        "labels": {"a.example/version": "2"},
    }
    before = pod_template(read(), SHIPPED)

    template = pod_template(read_inference_service(manifest), SHIPPED)

    annotations = dict(template.annotations)
    assert annotations["a.example/note"] == "1"
    assert annotations["a.example/both"] == "predictor"
    assert annotations["prometheus.kserve.io/port"] == "8080"
    assert dict(template.labels)["a.example/version"] == "2"
    assert template.digest != before.digest


def test_what_kserve_keeps_from_the_pods_is_not_in_their_template() -> None:
    kept = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    manifest = stored(inference_service(annotations=kept))

    template = pod_template(read_inference_service(manifest), SHIPPED)

    assert template == pod_template(read(), SHIPPED)
