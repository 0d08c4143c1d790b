"""The model formats that Headrace registers, by KServe's names, and the file suffixes that tell them.

A format may be registered before a runtime serves it: serving says `NoSupportingRuntime` then.
"""

from pathlib import PurePosixPath

SUFFIXES = {
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".bst": "xgboost",
    ".ubj": "xgboost",
    ".onnx": "onnx",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".keras": "tensorflow",
    ".safetensors": "huggingface",
}
FORMATS = frozenset(SUFFIXES.values()) | {"lightgbm", "mlflow", "paddle", "pmml", "triton", "vLLM"}


def format_of(file_name: str) -> str | None:
    """The format that a single uploaded file is in, told by its suffix alone."""
    return SUFFIXES.get(PurePosixPath(file_name).suffix.lower())
