"""The third-party layers: what is in them, how large they are, and that they build alike."""

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from cdk import layers
from cdk.paths import ROOT, Sources
from tests.infrastructure.assembly import Assembly

MEGABYTE = 1_000_000
# Packages of Python alone.
PURE = frozenset({"scanning"})
ARM64 = 0xB7  # e_machine of AArch64 in an ELF header


def archives(platform: str) -> list[Path]:
    return [Sources().third_party_layer(platform, name) for name in layers.LAYERS]


def unzipped(path: Path) -> int:
    """Bytes of a folder or of an archive's content."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def test_no_function_outgrows_its_budget(assembly: Assembly) -> None:
    for function in assembly.functions():
        size = unzipped(function.code) + sum(unzipped(layer) for layer in function.layers)
        bound = 120 if function.entry.endswith("/api") else 250
        assert size < bound * MEGABYTE, function.entry


def test_every_api_function_has_the_policies_with_it(assembly: Assembly) -> None:
    """They are files, which a pattern that keeps the package small could leave out."""
    source = ROOT / "layers/controlplane/python/controlplane/authorization/policies"
    wanted = sorted(file.name for file in source.iterdir())
    assert "schema.cedarschema" in wanted
    for function in assembly.functions():
        if function.entry.endswith("/api"):
            [folder] = [layer for layer in function.layers if layer.is_dir()]
            packed = folder / "python/controlplane/authorization/policies"
            assert sorted(file.name for file in packed.iterdir()) == wanted, function.entry


@pytest.mark.parametrize("archive", archives("lambda"), ids=lambda path: path.stem)
def test_what_goes_to_aws_runs_on_arm64_and_python_3_13(built_layers: None, archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        libraries = [name for name in names if re.search(r"\.so(\.\d+)*$", name)]
        machines = {name: int.from_bytes(file.read(name)[18:20], "little") for name in libraries}
        tags = {
            line.split(": ")[1]
            for name in names
            if name.endswith(".dist-info/WHEEL")
            for line in file.read(name).decode().splitlines()
            if line.startswith("Tag: ")
        }

    assert set(machines.values()) == (set() if archive.stem in PURE else {ARM64})
    foreign = [
        name
        for name in libraries
        if ".cpython-" in name and ".cpython-313-aarch64-linux-gnu" not in name
    ]
    assert foreign == []
    for tag in tags:
        interpreter, abi, platform = tag.split("-")
        assert platform == "any" or platform.endswith("_aarch64"), tag
        assert abi in {"none", "abi3", "cp313"}, tag
        assert interpreter[:2] in {"py", "cp"}, tag
    assert len(tags) > (0 if archive.stem in PURE else 1)


@pytest.mark.parametrize("archive", archives("lambda"), ids=lambda path: path.stem)
def test_what_goes_to_aws_carries_no_bytecode_of_another_python(
    built_layers: None, archive: Path
) -> None:
    with zipfile.ZipFile(archive) as file:
        assert [name for name in file.namelist() if name.endswith(".pyc")] == []


@pytest.mark.parametrize("archive", archives("host"), ids=lambda path: path.stem)
def test_the_hosts_modules_come_compiled(built_layers: None, archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
        compiled = min(n for n in names if n.endswith(".pyc"))
        # Bit 0: found by hash, bit 1: the source is compared; so 1 is "never compared" (PEP 552).
        assert file.read(compiled)[4:8] == (1).to_bytes(4, "little")
    sources = {n for n in names if n.endswith(".py")}
    assert len([n for n in names if n.endswith(".pyc")]) > 0.99 * len(sources)


@pytest.mark.parametrize("platform", layers.PLATFORMS)
def test_layers_hold_their_own_requirements_at_the_pinned_versions(
    built_layers: None, platform: str
) -> None:
    pins = dict(
        re.findall(
            r"^([a-z0-9-]+)==([^\s;]+)",
            (ROOT / "constraints" / "layers.txt").read_text(),
            re.MULTILINE,
        )
    )
    held: dict[str, dict[str, str]] = {}
    for name, archive in zip(layers.LAYERS, archives(platform), strict=True):
        with zipfile.ZipFile(archive) as file:
            found = {n.split("/")[1] for n in file.namelist() if ".dist-info/METADATA" in n}
        parts = [folder.removesuffix(".dist-info").rsplit("-", 1) for folder in found]
        held[name] = {package.lower().replace("_", "-"): version for package, version in parts}

    for packages in held.values():
        assert packages.items() <= pins.items()
    assert {"boto3", "pydantic", "pydynox", "aws-lambda-powertools"} <= set(held["runtime"])
    assert {"kubernetes", "prometheus-client"}.isdisjoint(held["runtime"])
    assert {"kubernetes", "prometheus-client"} <= set(held["cluster"])
    assert "boto3" not in held["cluster"]
    assert set(held["scanning"]) == {"picklescan"}
    assert "cryptography" in held["signing"]
    assert "cryptography" not in held["runtime"]


def test_few_functions_have_what_only_they_need(assembly: Assembly) -> None:
    def having(package: str) -> set[str]:
        return {function.entry for function in assembly.functions() if function.holds(package)}

    assert having("picklescan") == {"registry/scan_file"}
    assert having("cryptography") == {"registry/check_upload"}
    # Of the functions that talk to the cluster one reads metrics: its parser is too small for a layer of its own.
    assert having("prometheus_client") == having("kubernetes")


def test_a_parser_of_metrics_is_too_small_to_be_kept_apart(built_layers: None) -> None:
    with zipfile.ZipFile(Sources().third_party_layer("lambda", "cluster")) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    parser = sum(size for name, size in sizes.items() if "/prometheus_client" in name)

    assert 0 < parser < min(MEGABYTE, 0.02 * sum(sizes.values()))


@pytest.fixture
def small(tmp_path: Path) -> Sources:
    """A project whose one layer is a single pure package, with the project's own pins."""
    return project(tmp_path / "small")


def project(root: Path) -> Sources:
    (root / "layers" / "runtime").mkdir(parents=True)
    (root / "layers" / "runtime" / "requirements.txt").write_text("six>=1\n")
    (root / "constraints").mkdir()
    shutil.copy(ROOT / "constraints" / "layers.txt", root / "constraints")
    return Sources(root)


def test_a_layer_is_built_again_only_when_its_inputs_change(small: Sources) -> None:
    archive = layers.build("lambda", "runtime", small)
    first = archive.stat()
    layers.build("lambda", "runtime", small)
    assert archive.stat() == first

    (small.root / "layers" / "runtime" / "requirements.txt").write_text("six>=1\nidna\n")
    layers.build("lambda", "runtime", small)

    with zipfile.ZipFile(archive) as file:
        assert "python/idna/__init__.py" in file.namelist()


@pytest.mark.parametrize("platform", layers.PLATFORMS)
def test_the_same_inputs_make_the_same_archive(
    small: Sources, tmp_path: Path, platform: str
) -> None:
    other = project(tmp_path / "elsewhere")

    first = layers.build(platform, "runtime", small).read_bytes()

    assert layers.build(platform, "runtime", other).read_bytes() == first


def test_a_package_that_is_not_what_its_hash_says_is_refused(small: Sources) -> None:
    pins = small.root / "constraints" / "layers.txt"
    pins.write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", pins.read_text()))

    with pytest.raises(layers.LayerBuildError, match="six"):
        layers.build("lambda", "runtime", small)
    assert not small.third_party_layer("lambda", "runtime").exists()


def test_a_package_without_a_pin_is_refused(small: Sources) -> None:
    pins = small.root / "constraints" / "layers.txt"
    pins.write_text(re.sub(r"^six==", "sixpence==", pins.read_text(), flags=re.MULTILINE))

    with pytest.raises(layers.LayerBuildError, match="make lock"):
        layers.build("lambda", "runtime", small)
