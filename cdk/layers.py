"""Build the third-party Lambda layers, without Docker: `python -m cdk.layers host|lambda`.

`host` serves the embedded cloud: this interpreter's platform, with bytecode, so that a cold start
does not compile. `lambda` serves AWS: wheels for CPython 3.13 on arm64. Each layers/<name> that has
a requirements.txt becomes build/layers/<platform>/<name>.zip, at the versions of
constraints/layers.txt, every download checked against the hashes there. A zip file is built again
only when something that it is made of has changed, and comes out the same on every machine of the
platform, so that a deployment whose packages did not change uploads nothing.
"""

import argparse
import compileall
import hashlib
import os
import platform as machine
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from cdk.paths import ROOT, Sources

LAYERS = ("runtime", "cluster", "scanning", "signing")
PLATFORMS = ("host", "lambda")
# Never imported by a function: test suites and examples, data for editors, scripts, and the
# asynchronous twin of the Kubernetes client, half of that package. (botocore imports its docs.)
_UNUSED = (
    "bin",
    "*/tests",
    "*/examples",
    "kubernetes/aio",
    "**/__pycache__",
    "**/*.pyi",
    "**/*.c",
    "**/*.pxd",
    "**/*.pyx",
)
# The earliest time that a zip file can hold: the same bytes whenever it was built.
_EPOCH = (1980, 1, 1, 0, 0, 0)


_PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)[^\n]*\\\n\s+--hash=sha256:", re.MULTILINE)


class LayerBuildError(Exception):
    """A layer could not be built; the message says what the installer said."""


def build(platform: str, name: str, sources: Sources | None = None) -> Path:
    """Build one layer unless it is up to date, and return its zip file.

    Raises LayerBuildError when a package cannot be had, or is not what its hash says.
    """
    sources = sources or Sources()
    archive = sources.third_party_layer(platform, name)
    marker = archive.with_suffix(".digest")
    digest = _digest(platform, name, sources)
    if archive.is_file() and marker.is_file() and marker.read_text() == digest:
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        packages = Path(folder) / "python"
        _install(platform, name, packages, sources)
        _prune(packages)
        if platform == "host":
            _compile(packages)
        _pack(packages, Path(folder) / archive.name)
        marker.unlink(missing_ok=True)
        (Path(folder) / archive.name).replace(archive)
    marker.write_text(digest)
    return archive


def _digest(platform: str, name: str, sources: Sources) -> str:
    """Changes with the requirements, the pins, this recipe, and the interpreter it is built for."""
    digest = hashlib.sha256(f"{platform} {_interpreter(platform)}".encode())
    for path in (
        sources.root / "layers" / name / "requirements.txt",
        sources.root / "constraints" / "layers.txt",
        Path(__file__),
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _interpreter(platform: str) -> str:
    if platform == "lambda":
        return "cpython-3.13 aarch64-manylinux_2_28"
    return f"{sys.implementation.cache_tag} {sys.platform} {machine.machine()}"


def _install(platform: str, name: str, packages: Path, sources: Sources) -> None:
    uv = ROOT / ".venvs" / "tools" / "bin" / "uv"
    if not uv.is_file():
        raise LayerBuildError(f"{uv} is missing: run `make environments`")
    command = [
        str(uv),
        *("pip", "install", "--quiet", "--no-config", "--python", sys.executable),
        *("--target", str(packages), "--only-binary", ":all:"),
        # Hashes of the constraints are checked; `_refuse_unpinned` sees that each package has some.
        "--verify-hashes",
        *("--constraint", str(sources.root / "constraints" / "layers.txt")),
        *("--requirement", str(sources.root / "layers" / name / "requirements.txt")),
    ]
    if platform == "lambda":
        command += ["--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.13"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own uv
    if result.returncode:
        raise LayerBuildError(
            f"layer {name} for {platform} could not be installed; after a change of its "
            f"requirements run `make lock`. uv said:\n{result.stderr.strip()}"
        )
    _refuse_unpinned(name, packages, sources)


def _refuse_unpinned(name: str, packages: Path, sources: Sources) -> None:
    """The requirements are ranges, which uv's own `--require-hashes` does not take."""
    pins = (sources.root / "constraints" / "layers.txt").read_text()
    pinned = {(pin.group(1), pin.group(2)) for pin in _PIN.finditer(pins)}
    installed = {
        (found["name"].lower().replace("_", "-"), found["version"])
        for distribution in distributions(path=[str(packages)])
        if (found := distribution.metadata)
    }
    if unpinned := sorted(installed - pinned):
        raise LayerBuildError(
            f"layer {name} needs packages that constraints/layers.txt does not pin: {unpinned}. "
            "Run `make lock`"
        )


def _prune(packages: Path) -> None:
    for pattern in _UNUSED:
        for path in list(packages.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _compile(packages: Path) -> None:
    """Bytecode that is trusted without a look at its source, whose times a zip does not keep."""
    compileall.compile_dir(
        packages,
        quiet=2,
        workers=os.cpu_count() or 1,
        stripdir=str(packages),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _pack(packages: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        for path in _files(packages):
            entry = zipfile.ZipInfo(str(path.relative_to(packages.parent)), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            executable = path.suffix == ".so"
            entry.external_attr = (0o755 if executable else 0o644) << 16
            file.writestr(entry, path.read_bytes())


def _files(packages: Path) -> Iterator[Path]:
    return (path for path in sorted(packages.rglob("*")) if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cdk.layers", description=__doc__)
    parser.add_argument("platform", choices=PLATFORMS)
    platform = parser.parse_args().platform
    try:
        for name in LAYERS:
            archive = build(platform, name)
            sys.stdout.write(f"{archive.relative_to(ROOT)} {archive.stat().st_size >> 20} MB\n")
    except LayerBuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
