"""The model server: real models over real HTTP, in the two protocols."""

import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.local.serving.running_server import START_SECONDS, RunningServer, Start
from tests.local.serving.trained_models import TrainedModel


@pytest.fixture(scope="module")
def digits(start: Start, folders: Callable[..., Path]) -> RunningServer:
    return start(folders(model_joblib="digits", README_md="iris")).wait_until_ready()


def infer(server: RunningServer, rows: list[list[float]]) -> dict[str, Any]:
    tensor: Any = {
        "name": "x",
        "shape": [len(rows), len(rows[0])],
        "datatype": "FP64",
        "data": rows,
    }
    answer = requests.post(f"{server.url}/v2/models/m/infer", json={"inputs": [tensor]}, timeout=10)
    answer.raise_for_status()
    return dict(answer.json()["outputs"][0])


def test_v1_gives_the_models_own_answers(
    digits: RunningServer, models: dict[str, TrainedModel]
) -> None:
    expected = models["digits"]

    answer = requests.post(
        f"{digits.url}/v1/models/m:predict", json={"instances": expected.rows}, timeout=10
    )

    assert answer.json() == {"predictions": expected.predictions}


def test_v2_gives_a_named_and_typed_tensor(
    digits: RunningServer, models: dict[str, TrainedModel]
) -> None:
    output = infer(digits, models["digits"].rows)

    assert output["name"] == "output-0"
    assert (output["datatype"], output["shape"]) == ("INT64", [40])
    assert output["data"] == models["digits"].predictions


def test_string_classes_are_bytes_in_v2(
    start: Start, folders: Callable[..., Path], models: dict[str, TrainedModel]
) -> None:
    server = start(folders(model_pkl="iris")).wait_until_ready()

    output = infer(server, models["iris"].rows)

    assert output["datatype"] == "BYTES"
    assert output["data"] == models["iris"].predictions


def test_refused_input_is_answered_with_the_reason(digits: RunningServer) -> None:
    answer = requests.post(
        f"{digits.url}/v1/models/m:predict", json={"instances": [[1.0, 2.0]]}, timeout=10
    )

    assert answer.status_code == 500
    assert "2 features" in answer.json()["error"]


def test_metrics_count_predictions(digits: RunningServer, models: dict[str, TrainedModel]) -> None:
    infer(digits, models["digits"].rows)

    metrics = requests.get(f"{digits.url}/metrics", timeout=10).text

    assert 'request_predict_seconds_count{model_name="m"}' in metrics


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers for all of 127.0.0.0/8")
def test_it_listens_on_the_loopback_interface_alone(digits: RunningServer) -> None:
    with socket.socket() as other:
        # A wildcard listener would own this address of the loopback network too.
        other.bind(("127.0.0.2", digits.port))


def test_it_leaves_no_copy_of_the_model_and_ends_well_when_asked(
    start: Start, folders: Callable[..., Path]
) -> None:
    server = start(folders(model_pickle="iris")).wait_until_ready()
    left = list(server.temporary.glob("model-*"))

    server.process.terminate()

    assert left == []
    assert server.process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "No model found"),
        ({"model_onnx": "iris"}, "no model file"),
        ({"a_joblib": "iris", "b_pkl": "iris"}, "more than one model file (a.joblib, b.pkl)"),
        ({"model_joblib": "broken"}, "Error"),
        ({"model_pkl": "list"}, "holds a list, which has no predict method"),
    ],
    ids=["empty", "other suffix", "two models", "corrupt", "no estimator"],
)
def test_a_model_that_cannot_be_loaded_ends_it_with_one_clear_line(
    start: Start,
    folders: Callable[..., Path],
    models: dict[str, TrainedModel],
    tmp_path: Path,
    files: dict[str, str],
    reason: str,
) -> None:
    (tmp_path / "broken").write_bytes(models["iris"].file.read_bytes()[:200])
    (tmp_path / "list").write_bytes(b"\x80\x04]\x94.")
    known = {name: model for name, model in files.items() if model in models}
    folder = folders(**known)
    for name in files.keys() - known.keys():
        shutil.copy(tmp_path / files[name], folder / name.replace("_", "."))

    server = start(folder)
    _, errors = server.process.communicate(timeout=START_SECONDS)

    last_line = errors.strip().splitlines()[-1]
    assert server.process.returncode == 1
    assert last_line.startswith(f"cannot load model m from {folder}: ")
    assert reason in last_line
    assert (server.temporary / "termination-log").read_text() == last_line
