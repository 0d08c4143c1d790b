"""The scanner against what attackers write, in every wrapping that a loader opens."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zlib
from collections import OrderedDict

import pytest

from controlplane.adapters.picklescan_scanner import MAX_FINDINGS, PicklescanScanner
from controlplane.registry.allowed_globals import NAMES, is_allowed
from controlplane.registry.scan import FindingKind, Scan, ScanState
from tests.unit.adapters import pickles
from tests.unit.adapters.pickles import (
    PROTO,
    STOP,
    Runs,
    array,
    attack,
    call,
    dtype,
    floats,
    name,
    npy,
    number,
    system,
    text,
    zipped,
)

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
TORCH_HEAD = MAGIC + pickle.dumps(1001) + pickle.dumps({"little_endian": True})


def scan(content: bytes, model_format: str = "sklearn", path: str = "model.joblib") -> Scan:
    return PicklescanScanner().scan(path, model_format, io.BytesIO(content))


def kinds(found: Scan) -> set[FindingKind]:
    return {finding.kind for finding in found.findings}


def tarred(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member, content in members.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


DIRECT = {
    **{f"os.system, protocol {n}": attack(n) for n in range(6)},
    "eval": pickle.dumps(Runs(eval, "1")),
    "getattr": pickle.dumps(Runs(getattr, 1, "real")),
    "nested in data": pickle.dumps({"model": [OrderedDict(a=Runs())], "x": (1, 2)}),
    "named by the stack": PROTO + text("os") + text("system") + b"\x93" + text("x") + b"\x85R.",
    "named from memory": PROTO
    + (text("os") + b"\x94" + text("system") + b"\x94")
    + (b"00" + b"h\x00h\x01\x93" + text("x") + b"\x85R."),
    "named in pieces": PROTO + text("posix") + b"2" + b"0" + text("system") + b"\x93)R.",
    "a name with dots": PROTO + text("sklearn.base") + text("os.system") + b"\x93)R.",
    "INST": b"(S'x'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'x'\no.",
    "a frame that is too long": b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00" + system() + STOP,
    # The unpickler in Python stops there; the one in C goes on behind the frame, and imports os.system.
    "a frame that ends in a name": b"\x80\x04\x95"
    + (2).to_bytes(8, "little")
    + b"c?os\nsystem\n(\x8c\x01xtR.",
    "without its end": PROTO + system(),
    "behind a good pickle": pickle.dumps(OrderedDict(a=1)) + attack(),
    "cut off": attack()[:-3],
    "behind an array of joblib's": PROTO
    + (b"(" + array(floats(3), dtype("f8"), (3,)) + system() + b"t."),
    "in an array of objects": PROTO + array(attack(), dtype("O8", flags=63), (1,), False) + STOP,
    "in an array's data": PROTO
    + array(system() + STOP + bytes(64), dtype("V1"), (0,), aligned=False)
    + STOP,
    "a function of a framework": pickle.dumps(1)[:2]
    + name("sklearn.datasets", "fetch_openml")
    + STOP,
    "exec in a distribution's state": PROTO
    + (call(name("scipy.stats._continuous_distns", "norm_gen")) + b"}b."),
    "importlib": PROTO + call(name("importlib", "import_module"), text("os")) + STOP,
    "a loader": PROTO + call(name("joblib", "load"), text("/mnt/models/x")) + STOP,
    "numpy's own loader": PROTO + call(name("numpy", "load"), text("x")) + STOP,
    "a class of the tenant's": PROTO + call(name("mymodel", "Model")) + STOP,
    "an extension code": PROTO + name("collections", "OrderedDict") + b")R0\x82\x01.",
}


@pytest.mark.parametrize("content", DIRECT.values(), ids=DIRECT)
def test_an_attack_is_unsafe(content: bytes) -> None:
    found = scan(content)

    assert found.state is ScanState.UNSAFE
    assert (found.scanner, bool(found.scanner_version)) == ("picklescan", True)
    assert found.findings


WRAPPINGS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "zlib in gzip": lambda content: gzip.compress(zlib.compress(content)),
    "torch's zip": lambda content: zipped(
        archive__data_pkl=content, archive__data__0=bytes(64), archive__version=b"3\n"
    ),
    "npz": lambda content: zipped(arr_npy=npy("'|O'", content)),
    "npy": lambda content: npy("'|O'", content),
    "npy of a record": lambda content: npy("[('a', '|O')]", content),
    "any zip": lambda content: zipped(weights__part_bin=content),
    "zip in zip": lambda content: zipped(inner_zip=zipped(data_pkl=content)),
    "tar": lambda content: tarred(pickle=content),
    "tar.gz": lambda content: gzip.compress(tarred(model=content)),
    "zip behind something": lambda content: b"#!/bin/sh\n" + zipped(data_pkl=content),
    "torch's old file": lambda content: TORCH_HEAD + content + bytes(64),
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("model_format", ["sklearn", "pytorch"])
def test_no_wrapping_is_a_way_around(wrap: object, model_format: str) -> None:
    assert callable(wrap)
    found = scan(wrap(attack()), model_format, "weights.bin")

    assert found.state is ScanState.UNSAFE
    assert kinds(found) == {FindingKind.DANGEROUS}
    assert [f.detail for f in found.findings] == ["posix.system"]


OPAQUE = {
    "lz4": b"\x04\x22\x4d\x18" + bytes(60),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(60),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(60),
    "joblib before 0.10": b"ZF0x1f" + zlib.compress(attack()),
    "torch before 0.1.10": tarred(storages=pickle.dumps(1) + bytes(9), pickle=attack()),
    "damaged gzip": gzip.compress(pickle.dumps(OrderedDict()))[:-12] + bytes(12),
    "damaged zip": zipped(data_pkl=attack()).replace(b"posix", b"POSIX", 1),
    "archives in archives": zipped(a=zipped(b=zipped(c=zipped(d=zipped(e=attack()))))),
}


@pytest.mark.parametrize("content", OPAQUE.values(), ids=OPAQUE)
def test_what_cannot_be_looked_into_is_not_clean(content: bytes) -> None:
    found = scan(content)

    assert found.state is ScanState.UNSAFE
    assert kinds(found) == {FindingKind.UNREADABLE}


def test_an_encrypted_archive_is_not_clean() -> None:
    plain = bytearray(zipped(data_pkl=attack()))
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        plain[plain.index(header) + (6 if header.endswith(b"\x04") else 8)] |= 1

    assert kinds(scan(bytes(plain))) == {FindingKind.UNREADABLE}


def test_a_pickle_beyond_the_limit_is_not_clean() -> None:
    large = pickle.dumps(OrderedDict(a=bytes(2000)))

    found = PicklescanScanner(1000).scan("m.pkl", "sklearn", io.BytesIO(large))

    assert kinds(found) == {FindingKind.UNREADABLE}
    assert scan(large).state is ScanState.CLEAN


LIES = {
    "its type tells two sizes": dtype("V1", 1000),
    "its type is short of a size": dtype("i"),
    "its type is made of text": text("f8"),
    "its type changes later": dtype("f8") + b"(tb",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_an_array_that_lies_about_its_size_hides_nothing(lie: bytes) -> None:
    """A reader that believed it would go on in the middle of the data."""
    hidden = PROTO + array(bytes(1000) + system(), lie, (1,), aligned=False) + STOP

    assert kinds(scan(hidden)) == {FindingKind.UNREADABLE}


def test_an_array_that_is_longer_than_it_looks_hides_nothing() -> None:
    """What a reader that believed the first of two sizes takes for two pickles without any import."""
    hidden = system() + STOP
    longer = b"\x00" + STOP + b"B" + len(hidden).to_bytes(4, "little")
    content = longer + hidden + STOP
    array_of = array(content, dtype("V1", len(longer)), (1,), aligned=False)

    assert kinds(scan(PROTO + array_of)) == {FindingKind.UNREADABLE}


SOUND = {
    "a plain pickle": pickle.dumps(OrderedDict(weights=[1.5, 2.5])),
    "an estimator": PROTO
    + name("sklearn.linear_model._logistic", "LogisticRegression")
    + b")\x81}b.",
    "arrays of joblib's": PROTO
    + b"("
    + array(floats(3), dtype("f8"), (3,))
    + array(b"ab\x00\x00" * 2, dtype("U1", 4), (2,), aligned=False)
    + array(pickle.dumps(["a", None]), dtype("O8", flags=63), (2,), aligned=False)
    + array(system() + STOP, dtype("V1", 1), (len(system()) + 1,))
    + b"t.",
    "compressed": gzip.compress(pickle.dumps(OrderedDict(a=1))),
    "data alone": pickle.dumps({"a": [1, 2.5, "x", b"y", None, {1}]}),
}


@pytest.mark.parametrize("content", SOUND.values(), ids=SOUND)
def test_a_sound_model_is_clean(content: bytes) -> None:
    found = scan(content)

    assert (found.state, found.findings) == (ScanState.CLEAN, ())


def test_torch_files_are_clean() -> None:
    tensors = (
        PROTO
        + call(name("torch._utils", "_rebuild_tensor_v2"), b"(U\x07storagetQ", number(0))
        + STOP
    )
    old = TORCH_HEAD + tensors + pickle.dumps(["0"]) + b"\xff" * 64
    new = zipped(archive__data_pkl=tensors, archive__data__0=b"B" + b"\xff" * 64)

    assert scan(old, "pytorch", "m.pt").state is ScanState.CLEAN
    assert scan(new, "pytorch", "m.pt").state is ScanState.CLEAN


NO_PICKLES = {
    "text": b"some weights",
    "numbers": bytes(range(256)),
    "an array": npy("'<f8'", floats(1)),
    "an MLmodel": b"artifact_path: model\nflavors:\n  sklearn:\n    pickled_model: model.pkl\n",
    "zeros": bytes(2048),
}


@pytest.mark.parametrize("content", NO_PICKLES.values(), ids=NO_PICKLES)
@pytest.mark.parametrize("model_format", ["sklearn", "mlflow"])
def test_what_no_loader_could_unpickle_needs_no_scan(content: bytes, model_format: str) -> None:
    assert scan(content, model_format, "weights.bin").state is ScanState.NOT_NEEDED


def test_joblibs_arrays_are_refused_where_joblib_does_not_load() -> None:
    """Another loader would take the array's bytes for instructions."""
    content = PROTO + array(system() + STOP, dtype("V1", 1), (len(system()) + 1,)) + STOP

    assert scan(content, "sklearn").state is ScanState.CLEAN
    assert kinds(scan(content, "mlflow")) == {FindingKind.UNREADABLE}


def test_findings_name_the_file_and_are_few() -> None:
    many = PROTO + b"(" + b"".join(name("os", f"f{n}") for n in range(50)) + b"t."
    found = scan(zipped(a__data_pkl=many), "pytorch", "m.pt")

    assert len(found.findings) == MAX_FINDINGS
    assert {f.file for f in found.findings} == {"m.pt:a/data.pkl"}


def test_nothing_that_is_allowed_is_on_picklescans_list() -> None:
    imports = b"".join(
        name(module, one) + b"0" for module, names in NAMES.items() for one in sorted(names)
    )

    found = scan(PROTO + imports + b"N.")

    assert found.state is ScanState.CLEAN, found.findings


@pytest.mark.parametrize(
    ("module", "one"),
    [
        ("sklearn.base", "os"),
        ("sklearn.base", "BaseEstimator.__init__.__globals__"),
        ("sklearn.datasets._base", "Path"),
        ("sklearn.externals._arff", "ArffDecoder"),
        ("sklearn.utils.parallel", "Parallel"),
        ("sklearn.ensemble._forest", "Parallel"),
        ("sklearn.callback._transport", "Client"),
        ("sklearn.tree._export", "StringIO"),
        ("sklearn.metrics._scorer", "_SCORERS"),
        ("sklearn.tests.test_base", "MyEstimator"),
        ("scipy.stats._distn_infrastructure", "rv_continuous"),
        ("sklearnx", "Model"),
        ("torch.hub", "load"),
        ("torch.package", "PackageImporter"),
        ("numpy", "memmap"),
        ("numpy", "fromfile"),
        ("pandas", "read_pickle"),
        ("joblib", "Memory"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
    ],
)
def test_frameworks_are_not_allowed_as_a_whole(module: str, one: str) -> None:
    assert not is_allowed(module, one)
    assert pickles.PROTO  # the module is used by the others
