"""The corrections refuse a MiniStack that they were not written for."""

import subprocess
from pathlib import Path

from local.settings import PROJECT

PYTHON = PROJECT / ".venvs" / "cloud" / "bin" / "python"


def _apply_after(preparation: str, state: Path) -> subprocess.CompletedProcess[str]:
    script = f"""
from pathlib import Path
from local.cloud import mends
from local.cloud.layers import LayerCache
{preparation}
try:
    mends.apply(LayerCache(Path({str(state)!r}, "layers")), Path({str(state)!r}, "sdk"), "http://x")
except mends.MiniStackMismatchError as error:
    print("refused:", error)
else:
    print("applied")
"""
    return subprocess.run(
        [PYTHON, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=30
    )


def test_they_fit_the_installed_one(tmp_path: Path) -> None:
    assert _apply_after("", tmp_path).stdout == "applied\n"


def test_another_version_is_refused(tmp_path: Path) -> None:
    told = _apply_after("mends.version = lambda name: '9.9.9'", tmp_path).stdout

    assert told.startswith("refused: MiniStack 9.9.9 is installed")
    assert "local/requirements.txt" in told


def test_another_text_is_refused(tmp_path: Path) -> None:
    told = _apply_after(
        "from ministack.core import lambda_runtime\n"
        "lambda_runtime._PYTHON_WORKER_SCRIPT = 'print(1)'",
        tmp_path,
    ).stdout

    assert told.startswith("refused: _PYTHON_WORKER_SCRIPT of MiniStack")
