"""The scan of what was copied, against a bucket: attacks are refused, and the copy itself is looked into."""

import pickle
from collections import OrderedDict

import pytest

from controlplane.errors import UnavailableError
from local.bench.wire import Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json
from tests.functions.scenario import Scenario, manifest_of
from tests.unit.adapters.pickles import attack, zipped

UPLOADS = "/projects/vision/models/digits/uploads"
GOOD = pickle.dumps(OrderedDict(weights=[1.0, 2.0]))


def upload(acme: Scenario, files: dict[str, bytes], model_format: str = "sklearn") -> Json:
    wanted = manifest_of(files, model_format)
    opened = acme.call("POST", UPLOADS, wanted)
    assert opened.status == 201, opened.body
    return acme.register(acme.arrival(acme.send_all(opened.json, files)))


def test_an_unsafe_file_is_refused_by_name_and_its_copies_are_removed(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    files = {"good.pkl": GOOD, "weights/part.bin": attack()}

    assert upload(acme, files)["state"] == "Rejected"

    [found] = call("GET", UPLOADS).json["items"]
    assert (found["state"], found["version"]) == ("Rejected", None)
    assert found["reason"]["code"] == "UnsafeArtifact"
    assert "weights/part.bin imports posix.system" in found["reason"]["message"]
    assert found["reason"]["remedy"]
    assert cloud.keys("registry/") == []
    ended = cloud.item(acme.partition, f"UPLOAD#digits#{found['upload']}")["event"]
    assert ended["detail_type"] == "UploadEnded"
    assert "version" not in call("GET", "/projects/vision/models/digits").json


@pytest.mark.parametrize(
    ("files", "model_format"),
    [
        ({"MLmodel": b"flavors: {}\n", "data.json": attack()}, "mlflow"),
        ({"pytorch_model.bin": zipped(a__data_pkl=attack())}, "huggingface"),
        ({"model.onnx": b"onnx", "extra.pkl": attack()}, "onnx"),
    ],
    ids=["mlflow", "torch", "beside another format"],
)
def test_no_format_and_no_name_hides_a_pickle(
    acme: Scenario, files: dict[str, bytes], model_format: str
) -> None:
    assert upload(acme, files, model_format)["state"] == "Rejected"


MLFLOW = {
    "MLmodel": b"artifact_path: model\nflavors:\n  sklearn:\n    pickled_model: model.pkl\n",
    "conda.yaml": b"channels:\n- conda-forge\ndependencies:\n- python=3.11.9\n- pip:\n  - mlflow\n",
    "python_env.yaml": b"python: 3.11.9\nbuild_dependencies:\n- pip==24.0\n",
    "requirements.txt": b"cloudpickle==3.0.0\nscikit-learn==1.9.1\n",
    "input_example.json": b'{"columns": ["a"], "data": [[1]]}',
    "code/features.py": b"import numpy\n\n\ndef features(rows):\n    return rows\n",
    "model.pkl": GOOD,
}
TORCHSERVE = {
    "config/config.properties": b"inference_address=http://0.0.0.0:8085\n"
    b"management_address=http://0.0.0.0:8085\nmetrics_address=http://0.0.0.0:8082\n"
    b"model_store=/mnt/models/model-store\n",
    "model-store/digits.mar": zipped(
        **{"MAR-INF__MANIFEST_json": b'{"model": {"serializedFile": "model.pt"}}'},
        handler_py=b"import torch\n\n\nclass Handler:\n    pass\n",
        model_pt=zipped(model__data_pkl=GOOD, model__data__0=bytes(64), model__version=b"3\n"),
        requirements_txt=b"cloudpickle==3.0.0\n",
    ),
}


@pytest.mark.parametrize(
    ("files", "model_format"),
    [(MLFLOW, "mlflow"), (TORCHSERVE, "pytorch")],
    ids=["mlflow", "torch"],
)
def test_the_texts_of_a_whole_model_are_no_pickles(
    call: Api, acme: Scenario, files: dict[str, bytes], model_format: str
) -> None:
    """All of what the framework's own tools write is registered, and its pickles have been looked into."""
    assert upload(acme, files, model_format)["state"] == "Registered"

    version = call("GET", "/projects/vision/models/digits/versions/1").json
    assert version["scan"]["state"] == "Clean"
    assert {file["path"] for file in version["files"]} == set(files)


@pytest.mark.parametrize(
    ("files", "model_format", "file"),
    [
        (MLFLOW | {"model.pkl": attack()}, "mlflow", "model.pkl"),
        (
            TORCHSERVE | {"model-store/digits.mar": zipped(model_pt=zipped(m__data_pkl=attack()))},
            "pytorch",
            "model-store/digits.mar",
        ),
    ],
    ids=["mlflow", "torch"],
)
def test_a_pickle_among_texts_is_found(
    call: Api, acme: Scenario, files: dict[str, bytes], model_format: str, file: str
) -> None:
    assert upload(acme, files, model_format)["state"] == "Rejected"

    [found] = call("GET", UPLOADS).json["items"]
    assert found["reason"]["code"] == "UnsafeArtifact"
    assert file in found["reason"]["message"]


def test_a_version_tells_how_it_was_scanned(call: Api, acme: Scenario) -> None:
    upload(acme, {"model.joblib": GOOD})
    upload(acme, {"model.onnx": b"onnx"}, "onnx")

    versions = "/projects/vision/models/digits/versions"
    first, second = (call("GET", f"{versions}/{n}").json["scan"] for n in (1, 2))
    assert first == {
        "state": "Clean",
        "scanner": "picklescan",
        "scanner_version": first["scanner_version"],
        "findings": [],
    }
    assert second["state"] == "NotNeeded"


def test_what_is_written_over_the_copy_is_neither_scanned_nor_part_of_the_version(
    acme: Scenario, cloud: Cloud
) -> None:
    key = "models/acme/vision/digits/model.joblib"
    checked = invoke("registry/check_upload", acme.arrival(key, acme.put_object(key, GOOD)))
    carried = {"correlation_id": "c", "reference": checked["reference"]}
    copied = invoke("registry/copy_file", carried | {"file": checked["files"][0]})
    acme.put_object("registry/tenant-acme/vision/digits/1/model.joblib", attack())

    scanned = invoke("registry/scan_file", carried | {"copied": copied})

    assert scanned["scan"]["state"] == "Clean"
    assert scanned["version_id"] == copied["version_id"]


def test_a_bucket_that_does_not_answer_is_asked_again(acme: Scenario, wire: Wire) -> None:
    key = "models/acme/vision/digits/model.joblib"
    checked = invoke("registry/check_upload", acme.arrival(key, acme.put_object(key, GOOD)))
    carried = {"correlation_id": "c", "reference": checked["reference"]}
    copied = invoke("registry/copy_file", carried | {"file": checked["files"][0]})
    wire.before = lambda made: (500, {}) if made.service == "s3" else None

    with pytest.raises(UnavailableError):
        invoke("registry/scan_file", carried | {"copied": copied})

    wire.before = None
    assert invoke("registry/scan_file", carried | {"copied": copied})["scan"]["state"] == "Clean"
