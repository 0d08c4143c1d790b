"""Model servers and the models that they serve."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local.serving.running_server import RunningServer, Start
from tests.local.serving.trained_models import (
    PROJECT,
    SERVING_PYTHON,
    TrainedModel,
    environment_without_bytecode_ban,
    train,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedModel]:
    return train(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_server(folder: Path, *more: str) -> RunningServer:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        temporary = tmp_path_factory.mktemp("tmp")
        process = subprocess.Popen(
            [
                *(SERVING_PYTHON, "-m", "local.serving.sklearn_server"),
                *("--model_name=ignored", "--model_name=m"),
                *(f"--model_dir={folder}", f"--http_port={port}", *more),
            ],
            cwd=PROJECT,
            env={
                **environment_without_bytecode_ban(),
                "TMPDIR": str(temporary),
                "TERMINATION_LOG": str(temporary / "termination-log"),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return RunningServer(process, port, temporary)

    yield start_server
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def folders(
    models: dict[str, TrainedModel], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    def folder_with(**files: str) -> Path:
        """A folder with copies of models: file name without suffix dot -> model name."""
        folder = tmp_path_factory.mktemp("folder")
        for name, model in files.items():
            shutil.copy(models[model].file, folder / name.replace("_", "."))
        return folder

    return folder_with
