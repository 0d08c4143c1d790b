"""What an upload says it consists of, its format, and where it stands among others."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controlplane.errors import LimitExceededError
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
        {"files": [entry(f"{n}.pkl", b"w") for n in range(251)]},
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parse(FILE, **more)


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
