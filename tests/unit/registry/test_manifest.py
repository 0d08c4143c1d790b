"""What an upload says it consists of, its format, and where it stands among others."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controlplane.errors import InvalidRequestError, LimitExceededError
from controlplane.registry.formats import FORMATS, format_of
from controlplane.registry.manifest import MAX_FILE_BYTES, Manifest, ManifestFile, check_sizes
from controlplane.registry.model import digest_of, position_of
from tests.unit.registry.world import entry

FILE = entry("w.pkl", b"weights")
MOMENT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def parse(*files: object, **more: object) -> Manifest:
    return Manifest.model_validate({"format": "sklearn", "files": files} | more)


def test_a_manifest_knows_its_size() -> None:
    assert parse(FILE, entry("b.txt", b"1234")).size == len(b"weights") + 4


@pytest.mark.parametrize(
    "file",
    [
        FILE | {"path": "manifest.json"},
        FILE | {"path": "../w.pkl"},
        FILE | {"path": "/w.pkl"},
        FILE | {"size": -1},
        FILE | {"sha256": "F" * 64},
        FILE | {"sha256": "f" * 63},
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(file: object) -> None:
    with pytest.raises(ValidationError):
        parse(file)


@pytest.mark.parametrize(
    "more",
    [
        {"format": "Sklearn"},
        {"framework_version": "1" * 41},
        {"files": [FILE, FILE]},
        {"files": [entry("a", b"w"), entry("b.txt", b"w"), entry("a/b", b"w")]},
        {"files": [entry("a/b/c", b"w"), entry("a/b", b"w")]},
        {"project": "Vision"},
        {"model": ""},
        {"files": [entry(f"{n}.pkl", b"w") for n in range(251)]},
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parse(FILE, **more)


def test_empty_file_says_why_it_cannot_be_part_of_a_model() -> None:
    """It would be registered and be missing where the model is served."""
    with pytest.raises(ValidationError, match="does not reach model servers: leave it out"):
        parse(FILE, entry("code/__init__.py", b""))


def test_manifests_mean_the_same_however_they_are_spelt() -> None:
    one = parse(FILE, metadata={"metrics": {"a": 1, "b": None}}, framework_version=None)
    other = parse(FILE, metadata={"metrics": {"b": math.inf, "a": 1.0}, "tags": {}})

    assert one.meaning == other.meaning
    assert one.meaning != parse(FILE, metadata={"metrics": {"a": 1}}).meaning
    assert one.meaning != parse(FILE, project="vision").meaning


@pytest.mark.parametrize(
    ("named", "fits"),
    [
        ({}, True),
        ({"project": "vision"}, True),
        ({"project": "vision", "model": "digits"}, True),
        ({"model": "fraud"}, False),
        ({"project": "speech", "model": "digits"}, False),
    ],
)
def test_manifest_that_is_for_another_model_is_not_for_this(
    named: dict[str, object], fits: bool
) -> None:
    told = parse(FILE, **named)
    if fits:
        told.require_for("vision", "digits")
        return
    with pytest.raises(InvalidRequestError, match="this is model digits of project vision") as no:
        told.require_for("vision", "digits")
    assert no.value.remedy


@pytest.mark.parametrize("value", ["0.5", True, " 1e3 ", "NaN", 10**400])
def test_metric_is_a_number_and_nothing_that_could_be_read_as_one(value: object) -> None:
    with pytest.raises(ValidationError):
        parse(FILE, metadata={"metrics": {"a": value}})


@pytest.mark.parametrize("value", [None, math.inf, -math.inf, math.nan])
def test_metric_that_came_to_no_number_is_kept_as_that(value: float | None) -> None:
    told = parse(FILE, metadata={"metrics": {"a": value}}).metadata

    assert told is not None
    assert math.isnan(told.metrics["a"])


def test_limits_are_the_last_that_is_allowed() -> None:
    check_sizes({"a": 60, "b": 40}, 100, 2)
    check_sizes({"a": MAX_FILE_BYTES}, MAX_FILE_BYTES, 1)


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"a": 60, "b": 41}, "101 bytes"),
        ({"a": 1, "b": 1, "c": 1}, "3 files"),
        ({"a": MAX_FILE_BYTES + 1}, "5 GiB"),
    ],
)
def test_what_is_over_a_limit_says_which(files: dict[str, int], word: str) -> None:
    with pytest.raises(LimitExceededError, match=word) as refused:
        check_sizes(files, 100, 2)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("name", "model_format"),
    [
        ("m.joblib", "sklearn"),
        ("M.PKL", "sklearn"),
        ("a.b.onnx", "onnx"),
        ("m.safetensors", "huggingface"),
        ("joblib", None),
        (".pkl", None),
        ("m.zip", None),
    ],
)
def test_a_suffix_tells_the_format(name: str, model_format: str | None) -> None:
    assert format_of(name) == model_format
    assert model_format is None or model_format in FORMATS


@given(st.permutations(["a", "b/c", "d"]))
def test_a_versions_digest_does_not_depend_on_the_order_of_files(paths: list[str]) -> None:
    files = [ManifestFile.model_validate(entry(path, path.encode())) for path in paths]

    assert digest_of(tuple(files)) == digest_of(tuple(sorted(files, key=lambda f: f.path)))


def test_a_versions_digest_tells_files_apart() -> None:
    one = ManifestFile.model_validate(entry("a", b"1"))
    other = ManifestFile.model_validate(entry("a", b"2"))
    renamed = ManifestFile.model_validate(entry("b", b"1"))

    assert len({digest_of((file,)) for file in (one, other, renamed)}) == 3


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 16**12)), min_size=2, max_size=6))
def test_positions_sort_by_arrival_and_then_by_sequencer(uploads: list[tuple[int, int]]) -> None:
    def position(upload: tuple[int, int]) -> str:
        return position_of(MOMENT + timedelta(seconds=upload[0]), f"{upload[1]:X}")

    assert sorted(uploads, key=position) == sorted(uploads)


def test_sequencers_of_either_case_and_any_length_compare() -> None:
    assert position_of(MOMENT, "ff") < position_of(MOMENT, "0100")
    assert position_of(MOMENT, "ff") == position_of(MOMENT, "FF")
