"""What is deployed of each function: its own folder and its layers, out of the synthesised assembly."""

import compileall
import json
import py_compile
import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk.paths import Sources
from local.bench.budgets import Detail, Findings, Row
from local.bench.errors import BenchError

MEGABYTE = 1_000_000
API_BOUND, ANY_BOUND = 120, 250  # megabytes, unzipped
CONTROLPLANE = "controlplane"
_THIRD_PARTY = re.compile(r"layers/([a-z]+)/requirements\.txt")
_NOT_DEPLOYED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")


@dataclass(frozen=True)
class Function:
    """A deployed function: `projects/api`, and the names of its layers in their order."""

    entry: str
    layers: tuple[str, ...]

    @property
    def module(self) -> str:
        return self.entry.split("/")[1]

    @property
    def is_api(self) -> bool:
        return self.module == "api" or self.module.endswith("_api")


def read_functions(assembly: Path) -> list[Function]:
    """Every function of a cloud assembly. Raises BenchError for one that holds none."""
    found = [
        function
        for template in sorted(assembly.glob("*.template.json"))
        for function in _functions_of(json.loads(template.read_text())["Resources"])
    ]
    if not found:
        raise BenchError(f"{assembly} holds no function: has it been synthesised?")
    return sorted(found, key=lambda function: function.entry)


def _functions_of(resources: dict[str, Any]) -> Iterator[Function]:
    for resource in resources.values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        properties = resource["Properties"]
        layers = [
            resources[layer["Ref"]]["Properties"]["Description"] for layer in properties["Layers"]
        ]
        yield Function(
            properties["Description"].removeprefix("functions/").removesuffix(".py"),
            tuple(_layer_name(description) for description in layers),
        )


def _layer_name(description: str) -> str:
    third_party = _THIRD_PARTY.search(description)
    return third_party.group(1) if third_party else CONTROLPLANE


class HostCode:
    """Functions and layers laid out as Lambda unpacks them, for this machine, with bytecode."""

    def __init__(self, folder: Path, sources: Sources | None = None) -> None:
        self._folder = folder
        sources = sources or Sources()
        shutil.copytree(sources.functions, folder / "functions", ignore=_NOT_DEPLOYED)
        shutil.copytree(
            sources.controlplane_layer / "python", self._layer(CONTROLPLANE), ignore=_NOT_DEPLOYED
        )
        for ours in (folder / "functions", self._layer(CONTROLPLANE)):
            compileall.compile_dir(
                ours, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
            )
        self._sources = sources

    def path(self, function: Function) -> list[Path]:
        """The folders on the function's `sys.path`; its module is found in the first one."""
        for name in function.layers:
            self._unpack(name)
        capability = function.entry.split("/")[0]
        own = self._folder / "functions" / capability
        return [own, *(self._layer(name) for name in function.layers)]

    def _layer(self, name: str) -> Path:
        return self._folder / "layers" / name / "python"

    def _unpack(self, name: str) -> None:
        if self._layer(name).is_dir():
            return
        with zipfile.ZipFile(self._sources.third_party_layer("host", name)) as archive:
            archive.extractall(self._layer(name).parent)


def measure_sizes(functions: Sequence[Function], sources: Sources | None = None) -> Findings:
    """Megabytes unzipped of every function with its layers, as deployed here and to AWS."""
    sources = sources or Sources()
    rows: list[Row] = []
    lines: list[tuple[str, ...]] = []
    for platform in ("host", "lambda"):
        sizes = {f: _size(f, platform, sources) for f in functions}
        apis = {f: size for f, size in sizes.items() if f.is_api}
        rows += [
            _row(f"API function, {platform}", apis, API_BOUND),
            _row(f"any function, {platform}", sizes, ANY_BOUND),
        ]
        for layers in sorted({function.layers for function in functions}):
            own = [size for function, size in sizes.items() if function.layers == layers]
            spread = f"{min(own):.1f} to {max(own):.1f}"
            lines.append((" + ".join(layers), platform, str(len(own)), spread))
    columns = ("layers", "platform", "functions", "MB with the function")
    detail = Detail("Packages, unzipped", columns, lines)
    return Findings(rows, [detail])


def _row(title: str, sizes: dict[Function, float], bound: int) -> Row:
    largest = max(sizes, key=lambda function: sizes[function])
    return Row(
        budget=f"package + layers, unzipped: {title}",
        measured=f"{sizes[largest]:.1f} MB ({largest.entry})",
        bound=f"≤ {bound} MB",
        within=sizes[largest] <= bound,
        is_count=True,
    )


def _size(function: Function, platform: str, sources: Sources) -> float:
    folders = [sources.functions / function.entry.split("/")[0]]
    size = 0
    for name in function.layers:
        if name == CONTROLPLANE:
            folders.append(sources.controlplane_layer)
        else:
            size += _unzipped(sources.third_party_layer(platform, name))
    return (size + sum(_deployed_bytes(folder) for folder in folders)) / MEGABYTE


def _unzipped(archive: Path) -> int:
    if not archive.is_file():
        raise BenchError(f"{archive} is missing: run `make layers`")
    with zipfile.ZipFile(archive) as file:
        return sum(entry.file_size for entry in file.infolist())


def _deployed_bytes(folder: Path) -> int:
    return sum(
        file.stat().st_size
        for file in folder.rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and not any(part.endswith(".egg-info") for part in file.parts)
    )
