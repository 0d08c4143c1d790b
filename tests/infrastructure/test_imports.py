"""Every import of every function comes from its own layers, and every setting from its stack."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cdk import layers
from cdk.paths import Sources
from controlplane.runtime import settings as groups
from tests.infrastructure.assembly import Assembly, LambdaFunction
from tests.infrastructure.imports import reachable_imports, reachable_settings

# Without site-packages, user packages and PYTHON* variables: what Lambda's own path holds.
ISOLATED = [sys.executable, "-I", "-S", "-B"]
IMPORT = """
import importlib, sys
sys.path[:0] = sys.argv[1].split(":")
for module in sys.argv[2:]:
    importlib.import_module(module)
"""
# What the shared HTTP code could load, but not for these: they have no lists, and the first no callers.
NOT_LOADED = {
    "docs/api": {"TableSettings", "CursorSettings"},
    "tenancy/api": {"CursorSettings"},
    "people/token_api": {"CursorSettings"},
}
# Lambda's own.
GIVEN = {"aws_region", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
ENTRIES = sorted(
    f"{path.parent.name}/{path.stem}"
    for path in Sources().functions.glob("*/*.py")
    if path.stem != "__init__"
)


@pytest.fixture(scope="session")
def unpacked(embedded: Assembly, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Each layer of the embedded target as the folder that Lambda would put on the path."""
    folders: dict[Path, Path] = {}
    for layer in {layer for function in embedded.functions() for layer in function.layers}:
        if layer.is_dir():
            folders[layer] = layer / "python"
        else:
            folder = tmp_path_factory.mktemp(layer.stem)
            with zipfile.ZipFile(layer) as archive:
                archive.extractall(folder)
            folders[layer] = folder / "python"
    return folders


@pytest.fixture(params=ENTRIES)
def function(request: pytest.FixtureRequest, embedded: Assembly) -> LambdaFunction:
    (found,) = [f for f in embedded.functions() if f.entry == request.param]
    return found


def run(code: Path, path: list[Path], settings: dict[str, Any], *modules: str) -> str:
    """Import modules in an interpreter that knows these folders alone; what it complained of."""
    done = subprocess.run(
        [*ISOLATED, "-c", IMPORT, ":".join(map(str, [code, *path])), *modules],
        env={"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
        | {
            name: value if isinstance(value, str) else "unknown" for name, value in settings.items()
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_every_module_of_the_functions_is_deployed(assembly: Assembly) -> None:
    assert sorted(function.entry for function in assembly.functions()) == ENTRIES


def test_a_function_imports_with_its_own_layers_alone(
    function: LambdaFunction, unpacked: dict[Path, Path]
) -> None:
    path = [unpacked[layer] for layer in function.layers]
    module = function.entry.split("/")[1]
    # What factories import only when they are called.
    later = reachable_imports(module, [function.code, *path[:1]])

    assert run(function.code, path, function.settings, module, *sorted(later)) == ""


def test_a_function_is_given_the_settings_that_it_loads_and_no_others(
    function: LambdaFunction,
) -> None:
    ours = [layer / "python" for layer in function.layers if layer.is_dir()]
    reached = reachable_settings(function.entry.split("/")[1], [function.code, *ours])
    fields = {
        name: field
        for group in reached - NOT_LOADED.get(function.entry, set())
        for name, field in getattr(groups, group).model_fields.items()
    }
    needed = {name for name, field in fields.items() if field.is_required()} - GIVEN
    given = {name.lower() for name in function.settings if not name.startswith("POWERTOOLS_")}

    assert needed <= given
    assert given <= set(fields)


def test_the_same_imports_are_in_the_layers_for_aws(on_aws: Assembly) -> None:
    held: dict[Path, set[str]] = {}
    for function in on_aws.functions():
        archives = [layer for layer in function.layers if layer.is_file()]
        for archive in archives:
            held.setdefault(archive, _modules(archive))
        available = set().union(*(held[archive] for archive in archives))
        ours = [layer / "python" for layer in function.layers if layer.is_dir()]
        wanted = reachable_imports(function.entry.split("/")[1], [function.code, *ours])

        assert wanted, function.entry
        assert wanted - available == set(), function.entry


@pytest.mark.parametrize("name", layers.LAYERS)
def test_both_platforms_get_the_same_packages(built_layers: None, name: str) -> None:
    def packages(platform: str) -> set[str]:
        with zipfile.ZipFile(Sources().third_party_layer(platform, name)) as archive:
            return {n.split("/")[1] for n in archive.namelist() if ".dist-info/METADATA" in n}

    assert packages("host") == packages("lambda")


def test_only_the_cluster_layer_brings_the_cluster_client(
    embedded: Assembly, unpacked: dict[Path, Path]
) -> None:
    by_entry = {function.entry: function for function in embedded.functions()}
    without, with_client = by_entry["serving/api"], by_entry["serving/advance_rollout"]

    def complaint(function: LambdaFunction, module: str) -> str:
        return run(function.code, [unpacked[layer] for layer in function.layers], {}, module)

    assert "No module named 'kubernetes'" in complaint(without, "kubernetes.client")
    assert complaint(with_client, "kubernetes.client") == ""
    assert "No module named 'pytest'" in complaint(with_client, "pytest")


def test_one_function_reads_metrics_and_does_not_wait_for_their_parser_to_start(
    embedded: Assembly, unpacked: dict[Path, Path]
) -> None:
    def parsing(function: LambdaFunction) -> bool:
        ours = [layer / "python" for layer in function.layers if layer.is_dir()]
        reached = reachable_imports(function.entry.split("/")[1], [function.code, *ours])
        return any(module.startswith("prometheus_client") for module in reached)

    (reader,) = [function for function in embedded.functions() if parsing(function)]
    folders = [unpacked[layer] for layer in reader.layers]
    without = [folder for folder in folders if not (folder / "prometheus_client").is_dir()]

    assert reader.entry == "serving/advance_rollout"
    assert len(without) == len(folders) - 1
    assert run(reader.code, without, reader.settings, "advance_rollout") == ""


def test_imports_are_followed_into_the_factories_that_are_named(tmp_path: Path) -> None:
    package = tmp_path / "ours"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wiring.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import never\n"
        "def near():\n    import pydantic\n    return far()\n"
        "def far():\n    from ours.adapter import Adapter\n    return Adapter()\n"
        "def other():\n    import kubernetes\n"
    )
    (package / "adapter.py").write_text("import json, botocore.config\nclass Adapter: ...\n")
    (tmp_path / "api.py").write_text(
        "from ours.wiring import near\n\ndef lambda_handler(): near()\n"
    )

    assert reachable_imports("api", [tmp_path]) == {"pydantic", "botocore.config"}


def _modules(archive: Path) -> set[str]:
    """Dotted names of the modules and packages in a layer."""
    with zipfile.ZipFile(archive) as file:
        names = [Path(name).relative_to("python") for name in file.namelist()]
    modules: set[str] = set()
    for name in names:
        if name.suffix not in {".py", ".so"}:
            continue
        parts = [*name.parent.parts, name.name.split(".")[0]]
        modules.add(".".join(part for part in parts if part != "__init__"))
        modules |= {".".join(parts[:depth]) for depth in range(1, len(parts))}
    return modules


def test_a_layer_lists_its_modules(built_layers: None) -> None:
    modules = _modules(Sources().third_party_layer("lambda", "runtime"))

    assert {"botocore.session", "pydantic", "pydantic_core._pydantic_core", "six"} <= modules
    assert [module for module in modules if "dist-info" in module] == []
