"""The code of the functions as it is deployed, a copy to break, and AWS by moto's server."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from cdk import layers
from cdk.paths import ROOT, Sources
from local.bench.operations import operations
from local.bench.packages import Function

LAYERS = ("controlplane", "runtime")
APIS = tuple(Function(entry, LAYERS) for entry in sorted({each.function for each in operations()}))


@pytest.fixture(scope="session", autouse=True)
def _built_layers() -> None:
    for name in layers.LAYERS:
        layers.build("host", name)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """An AWS endpoint that holds no more than the tests of this folder."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """The project's functions and layers, free to be changed; built layers are the project's own."""
    copy = Sources(tmp_path / "project")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "functions", copy.functions, ignore=ignored)
    shutil.copytree(ROOT / "layers", copy.root / "layers", ignore=ignored)
    (copy.root / "build").symlink_to(ROOT / "build")
    return copy


def replace(file: Path, old: str, new: str) -> None:
    """Change a source at one place, which must be there."""
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has changed: {old!r} is not in it exactly once"
    file.write_text(text.replace(old, new))
