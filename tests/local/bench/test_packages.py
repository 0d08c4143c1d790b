"""Sizes of what is deployed, read from an assembly."""

import json
import zipfile
from pathlib import Path

import pytest

from cdk.paths import Sources
from local.bench.errors import BenchError
from local.bench.packages import Function, measure_sizes, read_functions

API = Function("projects/api", ("controlplane", "runtime"))
TASK = Function("serving/advance_rollout", ("controlplane", "runtime", "cluster"))
MEGABYTE = 1_000_000


@pytest.fixture
def small(tmp_path: Path) -> Sources:
    """A project whose layers hold next to nothing."""
    sources = Sources(tmp_path)
    for folder in (
        sources.functions / "projects",
        sources.functions / "serving",
        sources.controlplane_layer,
    ):
        folder.mkdir(parents=True)
    for platform in ("host", "lambda"):
        for name in ("runtime", "cluster"):
            fill(sources.third_party_layer(platform, name), 1)
    return sources


def fill(archive: Path, megabytes: int) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("python/large.py", b"0" * (megabytes * MEGABYTE))


def failed(sources: Sources) -> list[str]:
    return [row.budget for row in measure_sizes([API, TASK], sources).rows if row.fails]


def test_small_packages_are_within_their_bounds(small: Sources) -> None:
    assert failed(small) == []


@pytest.mark.parametrize("platform", ["host", "lambda"])
def test_an_api_function_may_have_120_megabytes_unzipped(small: Sources, platform: str) -> None:
    fill(small.third_party_layer(platform, "runtime"), 121)

    assert failed(small) == [f"package + layers, unzipped: API function, {platform}"]


def test_what_talks_to_the_cluster_may_have_250(small: Sources) -> None:
    fill(small.third_party_layer("host", "cluster"), 248)
    assert failed(small) == []

    fill(small.third_party_layer("host", "cluster"), 250)

    assert failed(small) == ["package + layers, unzipped: any function, host"]


def test_own_code_counts_and_what_is_not_deployed_does_not(small: Sources) -> None:
    cache = small.functions / "projects" / "__pycache__"
    cache.mkdir()
    (cache / "api.cpython-313.pyc").write_bytes(b"0" * 200 * MEGABYTE)
    assert failed(small) == []

    (small.functions / "projects" / "data.bin").write_bytes(b"0" * 120 * MEGABYTE)

    assert "package + layers, unzipped: API function, host" in failed(small)


def test_functions_come_from_the_assembly_with_their_layers(tmp_path: Path) -> None:
    layers = {
        "Ours": "Headrace's own package, controlplane",
        "Runtime": "Packages of layers/runtime/requirements.txt",
    }
    resources = {
        name: {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Description": description}}
        for name, description in layers.items()
    } | {
        "Projects": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Description": "functions/projects/api.py",
                "Layers": [{"Ref": "Ours"}, {"Ref": "Runtime"}],
            },
        }
    }
    (tmp_path / "Api.template.json").write_text(json.dumps({"Resources": resources}))

    assert read_functions(tmp_path) == [API]


def test_an_assembly_without_functions_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no function"):
        read_functions(tmp_path)
