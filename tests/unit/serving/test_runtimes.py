"""The runtime catalog: every format that is served has a runtime, which is told the model's name."""

import pytest

from controlplane.errors import RolloutFailedError
from controlplane.registry.formats import FORMATS
from controlplane.serving.runtimes import (
    CATALOG,
    DEFAULTS,
    ServiceKind,
    find_layout_fault,
    runtime_for,
)


@pytest.mark.parametrize("model_format", sorted(DEFAULTS))
def test_each_default_serves_its_format_and_is_one_that_can_be_registered(
    model_format: str,
) -> None:
    assert model_format in runtime_for(model_format).formats
    assert model_format in FORMATS


@pytest.mark.parametrize("key", sorted(CATALOG))
def test_each_runtime_learns_the_models_name_in_exactly_one_way(key: str) -> None:
    runtime = CATALOG[key]
    ways = [
        any("digits" in argument for argument in runtime.arguments("digits")),
        "digits" in runtime.environment("digits").values(),
        runtime.check_layout is not None,
        runtime.kind is ServiceKind.LLM_INFERENCE_SERVICE,
    ]
    assert ways.count(True) == 1


@pytest.mark.parametrize("key", sorted(CATALOG))
def test_every_inference_service_names_its_runtime(key: str) -> None:
    runtime = CATALOG[key]
    assert bool(runtime.name) == (runtime.kind is ServiceKind.INFERENCE_SERVICE)


def test_a_runtime_without_v1_is_asked_for_v2() -> None:
    assert runtime_for("mlflow").protocol == "v2"
    assert runtime_for("sklearn").protocol is None


def test_a_runtime_that_does_not_serve_the_format_is_refused_with_those_that_do() -> None:
    with pytest.raises(RolloutFailedError) as refused:
        runtime_for("huggingface", "sklearn")
    assert refused.value.reason == "RuntimeNotFitting"
    assert "huggingface, llm, vllm" in str(refused.value.remedy)


def test_a_format_that_nothing_serves_is_refused() -> None:
    with pytest.raises(RolloutFailedError) as refused:
        runtime_for("paddle")
    assert refused.value.reason == "NoSupportingRuntime"


@pytest.mark.parametrize(
    ("paths", "is_found"),
    [
        (["digits/1/model.onnx"], True),
        (["digits/config.pbtxt", "digits/12/model.onnx"], True),
        (["model.onnx"], False),
        (["digits/model.onnx"], False),
        (["other/1/model.onnx"], False),
        (["digits/first/model.onnx"], False),
    ],
)
def test_triton_finds_a_model_by_its_folder(paths: list[str], is_found: bool) -> None:
    fault = find_layout_fault(runtime_for("onnx"), paths, "digits")
    assert (fault is None) == is_found


def test_torchserve_needs_its_configuration_and_an_archive() -> None:
    runtime = runtime_for("pytorch")
    good = ["config/config.properties", "model-store/digits.mar"]
    assert find_layout_fault(runtime, good, "digits") is None
    assert find_layout_fault(runtime, good[:1], "digits") is not None
    assert find_layout_fault(runtime, good[1:], "digits") is not None


def test_a_runtime_that_is_told_the_name_takes_any_layout() -> None:
    assert find_layout_fault(runtime_for("sklearn"), ["model.joblib"], "digits") is None
