"""Files of text that an MLflow folder, a TorchServe store or a Triton repository holds: none is a pickle.

`c` and `i`, with which many begin, are the instructions that import what the first two lines name.
"""

import io

import pytest

from controlplane.adapters.picklescan_scanner import PicklescanScanner
from controlplane.registry.scan import FindingKind, Scan, ScanState
from tests.unit.adapters.pickles import STOP, name, system, zipped

TEXTS = {
    "conda.yaml": "channels:\n- conda-forge\ndependencies:\n- python=3.11.9\n",
    "python_env.yaml": "python: 3.11.9\nbuild_dependencies:\n- pip==24.0\n",
    "requirements.txt": "cloudpickle==3.0.0\nnumpy==2.1.0\n",
    "config/config.properties": "inference_address=http://0.0.0.0:8085\n"
    "management_address=http://0.0.0.0:8085\nmodel_store=/mnt/models/model-store\n",
    "handler.py": "import os\nimport torch\n\n\nclass Handler:\n    pass\n",
    "1/model.py": "class TritonPythonModel:\n    def execute(self, requests):\n        return []\n",
    "LICENSE": "copyright (c) 2026\nAll rights reserved.\n",
    "code/__torch__.py": "class Net(Module):\n  __parameters__ = []\n",
    "labels.txt": "cat 0\ndog 1\n",
    "MLmodel": "conda.yaml: the environment\nname: x\n",
    "README": "PyTorch\nNbsp and more.\n",
    "NOTICE": "Patents\n)Rights are reserved.\n",
    "id.yaml": "id: 4\nname: x\n",
}


def scan(content: bytes, path: str, model_format: str = "mlflow") -> Scan:
    return PicklescanScanner().scan(path, model_format, io.BytesIO(content))


@pytest.mark.parametrize(("path", "content"), TEXTS.items(), ids=list(TEXTS))
@pytest.mark.parametrize("model_format", ["mlflow", "pytorch", "triton"])
def test_a_text_that_begins_like_an_import_is_none(
    path: str, content: str, model_format: str
) -> None:
    assert scan(content.encode(), path, model_format).state is ScanState.NOT_NEEDED


def test_texts_in_an_archive_are_none() -> None:
    archive = zipped(handler_py=TEXTS["handler.py"].encode(), model__requirements_txt=b"cv2==4\n")

    assert scan(archive, "model-store/digits.mar", "pytorch").state is ScanState.NOT_NEEDED


@pytest.mark.parametrize(
    "module",
    [
        "os",
        "a-module",
        "conda-forge",
        "os.no such",
        "a.b.no such",
        "os.",
        ".os",
        "m\u00f6del",
        "_x",
    ],
)
def test_what_python_could_import_is_no_text(module: str) -> None:
    """Python finds files whose names are no identifiers, and imports a package before what is missing in it."""
    content = name(module, "system") + b")R" + STOP

    assert scan(content, "model").state is ScanState.UNSAFE


def test_torch_asks_for_no_module_where_a_name_is_a_storages() -> None:
    """Its unpickler goes on where others stop."""
    hidden = name("no module:", "FloatStorage") + b"0" + system() + STOP

    found = scan(hidden, "model.bin", "pytorch")

    assert "os.system" in {finding.detail for finding in found.findings}


def test_what_is_no_pickle_is_no_model_of_such_a_name() -> None:
    """A format that we do not know may be one that its loader knows. Text is a mistake that hides nothing."""
    binary = bytes(range(256))
    for path in ("model.joblib", "a/M.PKL", "model.pt"):
        found = scan(binary, path, "sklearn")
        assert [finding.kind for finding in found.findings] == [FindingKind.UNREADABLE], path
    assert scan(binary, "weights.bin", "sklearn").state is ScanState.NOT_NEEDED
    assert scan("gr\u00fcn\n".encode(), "model.pkl", "sklearn").state is ScanState.NOT_NEEDED
