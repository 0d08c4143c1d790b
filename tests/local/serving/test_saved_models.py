"""The scanner against what scikit-learn, joblib and numpy really write: all of it is clean, and none once tampered."""

import io
import subprocess
from pathlib import Path

import pytest

from controlplane.adapters.picklescan_scanner import PicklescanScanner
from controlplane.registry.scan import ScanState
from tests.local.serving.trained_models import SERVING_PYTHON
from tests.unit.adapters.pickles import system

SAVER = Path(__file__).with_name("save_models.py")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    command = [str(SERVING_PYTHON), str(SAVER), str(folder)]
    subprocess.run(command, check=True, timeout=300)
    return sorted(folder.iterdir())


def test_every_way_to_save_a_sound_model_is_clean(saved: list[Path]) -> None:
    scanner = PicklescanScanner()
    assert len(saved) > 300
    for path in saved:
        with path.open("rb") as content:
            found = scanner.scan(path.name, "sklearn", content)
        assert (found.state, found.findings) == (ScanState.CLEAN, ()), path.name


def test_an_attack_behind_the_last_array_is_found(saved: list[Path]) -> None:
    """Where a scanner that stops at the first array sees nothing."""
    scanner = PicklescanScanner()
    plain = [path for path in saved if path.name in ("forest-4.joblib", "arrays-4.joblib")]
    assert len(plain) == 2
    for path in plain:
        sound = path.read_bytes()
        assert sound.endswith(b".")
        found = scanner.scan(path.name, "sklearn", io.BytesIO(sound[:-1] + b"0" + system() + b"."))
        assert "os.system" in [finding.detail for finding in found.findings], path.name
