"""Serve one scikit-learn model with the `kserve` library: the V1 and V2 inference protocols.

The embedded cluster's stand-in for the `kserve-sklearnserver` image: same arguments, same protocols,
same rules for what a model folder may hold. Two things differ. It downloads the model itself, which
a storage initializer does in a pod, and it listens on the loopback interface alone.

Exits with 0 when asked to stop, and with 1 and one last line that says why when the model cannot
be loaded; a kubelet would show that line as the container's termination message.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

import joblib
from kserve import Model, ModelServer, model_server
from kserve.errors import InferenceError
from kserve.logging import configure_logging
from kserve.protocol.infer_type import InferRequest, InferResponse
from kserve.utils.utils import get_predict_input, get_predict_response
from kserve_storage import Storage

from local.serving.faults import FaultFile, FaultyApplication, die

LOOPBACK = "127.0.0.1"
# The suffixes and the variable are those of KServe's own server (python/sklearnserver/model.py).
MODEL_SUFFIXES = (".joblib", ".pkl", ".pickle")
PREDICT_PROBABILITIES = "PREDICT_PROBA"
# A path that the starter may name; it takes the place of a container's /dev/termination-log.
TERMINATION_LOG = "TERMINATION_LOG"
LONGEST_MESSAGE = 2048
CHATTY_LOGGERS = ("uvicorn.access", "kserve.trace", "kserve_storage")


class ModelFolderError(RuntimeError):
    """The folder holds no model file, or more than one."""


def find_model_file(folder: Path) -> Path:
    """The only model file directly in `folder`; files with other suffixes are ignored."""
    found = sorted(
        file for file in folder.iterdir() if file.is_file() and file.suffix in MODEL_SUFFIXES
    )
    if not found:
        raise ModelFolderError(
            f"no model file with a suffix of {', '.join(MODEL_SUFFIXES)}: upload exactly one"
        )
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ModelFolderError(f"more than one model file ({names}): keep exactly one")
    return found[0]


class SklearnModel(Model):  # type: ignore[misc]  # kserve ships no types
    """A scikit-learn estimator, fetched from `model_dir` (an `s3://` URI or a local folder)."""

    def __init__(self, name: str, model_dir: str) -> None:
        super().__init__(name)
        self._model_dir = model_dir
        self._estimator: Any = None

    def load(self) -> bool:
        """Fetch and unpickle the model; the copy on disk goes as soon as it is in memory."""
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            fetched = Path(Storage.download(self._model_dir, folder))
            self._estimator = joblib.load(find_model_file(fetched))
        if not hasattr(self._estimator, "predict"):
            kind = type(self._estimator).__name__
            raise TypeError(f"the file holds a {kind}, which has no predict method")
        self.ready = True
        return True

    def predict(
        self,
        payload: dict[str, Any] | InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002 - kserve passes it by name
        response_headers: dict[str, str] | None = None,  # noqa: ARG002 - kserve passes it by name
    ) -> dict[str, Any] | InferResponse:
        """Answer a V1 payload with `predictions`, a V2 request with the tensor `output-0`.

        Numbers keep their type (INT64, FP64, …); string classes are BYTES. Input that the
        estimator refuses is an InferenceError, which the library answers with 500, as KServe does.
        """
        try:
            result = _encodable(self._answer(get_predict_input(payload)))
        except ValueError as refused:
            raise InferenceError(str(refused)) from refused
        return get_predict_response(payload, result, self.name)

    def _answer(self, instances: Any) -> Any:
        wants_probabilities = os.environ.get(PREDICT_PROBABILITIES, "false").lower() == "true"
        if wants_probabilities and hasattr(self._estimator, "predict_proba"):
            return self._estimator.predict_proba(instances)
        return self._estimator.predict(instances)


def _encodable(result: Any) -> Any:
    """The library encodes strings of object arrays only; an estimator answers with `<U` arrays."""
    dtype = getattr(result, "dtype", None)
    return result.astype(object) if dtype is not None and dtype.kind == "U" else result


class LoopbackModelServer(ModelServer):  # type: ignore[misc]  # kserve ships no types
    """The library's server; it would listen on every interface of the machine.

    `faults` is a file that may come to say how to misbehave; None where it never will.
    """

    def __init__(self, faults: Path | None, **options: Any) -> None:
        super().__init__(**options)
        self._faults = faults

    async def _serve(self) -> None:
        config = self._rest_server.config
        config.host = LOOPBACK
        if self._faults is not None:
            log = Path(os.environ[TERMINATION_LOG]) if TERMINATION_LOG in os.environ else None
            config.app = FaultyApplication(
                model_server.app, FaultFile(self._faults), Random(), partial(die, log=log)
            )
        await super()._serve()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m local.serving.sklearn_server", parents=[model_server.parser]
    )
    parser.add_argument("--model_dir", required=True, help="s3:// URI or folder of the model")
    parser.add_argument("--faults_file", type=Path, help="how to misbehave, followed while it runs")
    options, _ = parser.parse_known_args(arguments)
    _quiet_logs()
    model = SklearnModel(options.model_name, options.model_dir)
    sys.excepthook = _explain(f"cannot load model {model.name} from {options.model_dir}")
    model.load()
    sys.excepthook = sys.__excepthook__
    LoopbackModelServer(
        options.faults_file,
        http_port=options.http_port,
        enable_grpc=False,
        enable_latency_logging=False,
    ).start([model])


def _quiet_logs() -> None:
    """Keep what an operator looks for; a line for every request would drown it."""
    configure_logging()
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # kserve uses it
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _explain(failure: str) -> Any:
    """An exception hook whose last line says it all: unpickling a bad file can raise anything."""

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        sys.__excepthook__(kind, error, traceback)
        cause = " ".join(str(error).split()) or "no further details"
        last_words = f"{failure}: {kind.__name__}: {cause}"
        sys.stderr.write(f"{last_words}\n")
        if TERMINATION_LOG in os.environ:
            Path(os.environ[TERMINATION_LOG]).write_text(last_words[:LONGEST_MESSAGE])

    return hook


if __name__ == "__main__":
    main(sys.argv[1:])
