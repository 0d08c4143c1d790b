"""The code of the functions as it is deployed, a copy to break, and AWS by moto's server."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk import layers
from cdk.paths import ROOT, Sources
from local.bench.operations import operations
from local.bench.packages import Function
from tests.functions.cloud import running_moto

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
    with running_moto() as url:
        yield url


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
