"""Which files are scanned, and what an unsafe one does to its upload."""

import pytest

from controlplane.errors import UploadRejectedError
from controlplane.registry.formats import FORMATS
from controlplane.registry.scan import (
    Finding,
    FindingKind,
    Scan,
    ScanState,
    needs_scan,
    require_safe,
)
from controlplane.registry.scanning import scan_file
from controlplane.registry.upload import UploadState
from tests.unit.registry.world import World, entry, manifest

CLEAN = Scan(state=ScanState.CLEAN, scanner="s", scanner_version="1")
FOUND = Finding(file="m.pkl", kind=FindingKind.DANGEROUS, detail="posix.system")
UNSAFE = CLEAN.model_copy(update={"state": ScanState.UNSAFE, "findings": (FOUND,)})


@pytest.mark.parametrize("model_format", sorted(FORMATS))
@pytest.mark.parametrize("path", ["m.pkl", "a/M.JOBLIB", "m.pt", "m.pth", "x.npy", "x.npz"])
def test_a_file_that_is_called_a_pickle_is_scanned_in_every_format(
    model_format: str, path: str
) -> None:
    assert needs_scan(model_format, path)


@pytest.mark.parametrize(
    ("model_format", "path", "needed"),
    [
        ("huggingface", "model.safetensors", False),
        ("huggingface", "pytorch_model.bin", True),
        ("huggingface", "config.json", False),
        ("sklearn", "model", True),
        ("sklearn", "model.json.pkl", True),
        ("onnx", "weights.bin", False),
        ("onnx", "model.onnx", False),
        ("xgboost", "model.bst", False),
        ("lightgbm", "model.txt", False),
        ("lightgbm", "model", True),
        # Its own file MLmodel says what is unpickled.
        ("mlflow", "model.json", True),
        ("mlflow", "MLmodel", True),
        ("triton", "1/model.plan", True),
    ],
)
def test_in_doubt_a_file_is_scanned(model_format: str, path: str, needed: bool) -> None:
    assert needs_scan(model_format, path) is needed


def test_scans_of_files_become_one_of_the_version() -> None:
    assert Scan.of_all([]) == Scan.of_all([Scan()]) == Scan()
    assert Scan.of_all([Scan(), CLEAN]) == CLEAN
    assert Scan.of_all([CLEAN, UNSAFE, CLEAN]) == UNSAFE


def test_an_unsafe_file_is_named_with_what_it_imports() -> None:
    with pytest.raises(UploadRejectedError, match=r"m\.pkl imports posix\.system") as refused:
        require_safe("sklearn", {"m.pkl": UNSAFE, "n.pkl": CLEAN})
    assert refused.value.reason == "UnsafeArtifact"
    assert "ONNX" in str(refused.value.remedy)


def test_a_file_that_was_not_scanned_is_no_clean_one() -> None:
    with pytest.raises(TypeError, match=r"n\.pkl was not scanned"):
        require_safe("sklearn", {"m.pkl": CLEAN, "n.pkl": None})
    assert require_safe("onnx", {"m.onnx": None}) == Scan()


def test_a_version_keeps_its_scan() -> None:
    world = World()
    world.run(world.put("model.joblib"))
    world.run(world.put("model.onnx"))

    scans = [version.scan for version in world.versions()]
    assert [scan and scan.state for scan in scans] == [ScanState.CLEAN, ScanState.NOT_NEEDED]
    assert scans[0] is not None
    assert scans[0].scanner == "memory"


def test_an_unsafe_upload_is_rejected_and_its_copies_are_removed() -> None:
    world = World()
    content = b"dangerous"
    world.put("uploads/june/model.pkl", content)
    world.put("uploads/june/ok.pkl", b"ok")
    told = manifest(entry("model.pkl", content), entry("ok.pkl", b"ok"))

    assert world.run(world.put("uploads/june/manifest.json", told)) is UploadState.REJECTED

    reason = world.only_upload().reason
    assert reason is not None
    assert reason.code == "UnsafeArtifact"
    assert "model.pkl imports os.system" in reason.message
    assert world.artifacts.keys_below("registry/") == []
    assert [event.reason for event in world.ended()] == ["UnsafeArtifact"]


def test_the_object_version_that_was_copied_is_scanned_and_pinned() -> None:
    """Whoever writes over the copy meanwhile changes neither the scan nor what the version is made of."""
    world = World()
    arrival = world.put("model.joblib", b"good")
    checked = world.check(arrival)
    [copy] = world.copy(checked)
    key = "registry/tenant-acme/vision/digits/1/model.joblib"
    written = world.put_key(key, b"dangerous")

    assert checked.reference is not None
    again = scan_file(checked.reference, copy, artifacts=world.artifacts, scanner=world.scanner)
    world.register(arrival, checked, [copy])

    assert again == copy.scan
    assert again.state is ScanState.CLEAN
    [version] = world.versions()
    assert version.files[0].version_id == copy.version_id != written.version_id


def test_content_that_is_not_what_s3_told_of_is_unsafe() -> None:
    world = World()
    checked = world.check(world.put("model.joblib", b"good"))
    [copy] = world.copy(checked)
    stored = world.artifacts.objects["registry/tenant-acme/vision/digits/1/model.joblib"]
    stored[-1] = type(stored[-1])(
        copy.version_id or "", b"bad", 3, copy.sha256, stored[-1].modified_at
    )

    assert checked.reference is not None
    found = scan_file(checked.reference, copy, artifacts=world.artifacts, scanner=world.scanner)

    assert found.state is ScanState.UNSAFE
    assert found.findings[0].kind is FindingKind.UNREADABLE
