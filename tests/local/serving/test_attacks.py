"""Files that run something where joblib and numpy load them: each really does, and each is refused."""

import io
import subprocess
from pathlib import Path

import pytest

from controlplane.adapters.picklescan_scanner import PicklescanScanner
from controlplane.registry.scan import Scan, ScanState
from tests.local.serving.trained_models import SERVING_PYTHON
from tests.unit.adapters.attacks import (
    ARRAY_ATTACKS,
    CONTAINER_ATTACKS,
    tells_an_instance_to_write,
)
from tests.unit.adapters.pickles import call, name, text

LOADER = Path(__file__).with_name("load_models.py")
ATTACKS = ARRAY_ATTACKS | CONTAINER_ATTACKS


def load_all(folder: Path) -> None:
    subprocess.run([str(SERVING_PYTHON), str(LOADER), str(folder)], check=True, timeout=120)


def scan(content: bytes, path: str) -> Scan:
    return PicklescanScanner().scan(path, "sklearn", io.BytesIO(content))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each attack has left its trace, after all were loaded."""
    files, traces = (tmp_path_factory.mktemp(part) for part in ("files", "traces"))
    for number, made in enumerate(ATTACKS.values()):
        run = call(name("posix", "mkdir"), text(str(traces / str(number))))
        suffix = "npy" if made(b"").startswith(b"\x93NUMPY") else "joblib"
        (files / f"{number}.{suffix}").write_bytes(made(run))
    load_all(files)
    return traces


@pytest.mark.parametrize(("number", "attack"), list(enumerate(ATTACKS)), ids=list(ATTACKS))
def test_an_attack_runs_where_it_is_loaded_and_is_unsafe(
    number: int, attack: str, done: Path
) -> None:
    assert (done / str(number)).is_dir(), "the attack does nothing: the test proves nothing"

    run = call(name("posix", "mkdir"), text("x"))
    assert scan(ATTACKS[attack](run), "model.joblib").state is ScanState.UNSAFE


def test_names_that_are_allowed_write_a_file_and_are_unsafe(tmp_path: Path) -> None:
    """No name in it is forbidden: it calls an instance that it made, which no framework's pickle does."""
    written, files = tmp_path / "written", tmp_path / "files"
    files.mkdir()
    content = tells_an_instance_to_write(str(written))
    (files / "model.joblib").write_bytes(content)

    load_all(files)

    assert written.read_bytes() == b"written"
    found = scan(content, "model.joblib")
    assert [finding.detail for finding in found.findings] == ["it calls what it has made"]
