"""Archives in which readers find different files: none is looked into, for another one would be loaded."""

import bz2
import gzip
import io
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import cast

import pytest

from controlplane.adapters.picklescan_scanner import PicklescanScanner
from controlplane.registry.scan import Scan, ScanState
from tests.unit.adapters.pickles import PROTO, STOP, attack, system, zipped

END = 22
SOUND = zipped(a__data_pkl=pickle.dumps({}), a__version=b"3\n")
# Its pickle is as long as a directory's entry, at least.
UNSOUND = zipped(a__data_pkl=attack() + bytes(200))


def scan(content: bytes, path: str = "model.bin") -> Scan:
    return PicklescanScanner().scan(path, "pytorch", io.BytesIO(content))


def parts(archive: bytes) -> tuple[bytes, bytes, bytes]:
    """Entries, directory and end."""
    size, start = struct.unpack_from("<2L", archive, len(archive) - END + 12)
    return archive[:start], archive[start : start + size], archive[-END:]


def moved(directory: bytes, by: int) -> bytes:
    """The directory for entries that lie elsewhere."""
    found = bytearray(directory)
    at = 0
    while at < len(found):
        name, extra, comment = struct.unpack_from("<3H", found, at + 28)
        [offset] = struct.unpack_from("<L", found, at + 42)
        struct.pack_into("<L", found, at + 42, offset + by)
        at += 46 + name + extra + comment
    return bytes(found)


def ended(end: bytes, start: int) -> bytes:
    return end[:16] + struct.pack("<L", start) + end[20:]


def with_two_directories() -> bytes:
    """torch's reader believes where the end says that it is; Python takes what lies right before the end."""
    entries, directory, end = parts(SOUND)
    others, other, _ = parts(UNSOUND)
    by = len(others) - len(other)
    files = others + entries
    return files + other + moved(directory, by) + ended(end, len(files))


def with_an_entry_that_is_not_listed() -> bytes:
    """Readers that go from entry to entry find it."""
    entries, directory, end = parts(SOUND)
    others, _, _ = parts(UNSOUND)
    files = others + entries
    return files + moved(directory, len(others)) + ended(end, len(files))


def with_an_entry_behind_the_others() -> bytes:
    entries, directory, end = parts(SOUND)
    others, _, _ = parts(UNSOUND)
    files = entries + others
    return files + directory + ended(end, len(files))


def with_a_directory_in_the_comment() -> bytes:
    """Python moves the directory back to where it lies, others believe the end."""
    entries, directory, end = parts(SOUND)
    others, other, _ = parts(UNSOUND)
    comment_at = len(entries) + len(directory) + END
    start = comment_at + len(others)
    told = ended(end, start)[:20] + struct.pack("<H", len(others + other))
    return entries + moved(directory, start - len(entries)) + told + others + other


def with_a_directory_of_64_bits_in_the_comment() -> bytes:
    entries, directory, end = parts(SOUND)
    others, other, _ = parts(UNSOUND)
    at = len(entries) + len(directory)
    start = at + 56 + 20 + END + len(others)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    told = ended(end, start)[:20] + struct.pack("<H", len(others + other))
    listed = moved(directory, start - len(entries))
    return entries + listed + record + locator + told + others + other


HIDING = {
    "two directories": with_two_directories,
    "a directory in the comment": with_a_directory_in_the_comment,
    "a directory of 64 bits in the comment": with_a_directory_of_64_bits_in_the_comment,
    "an entry before the others": with_an_entry_that_is_not_listed,
    "an entry behind the others": with_an_entry_behind_the_others,
}


@pytest.mark.parametrize("hiding", HIDING.values(), ids=list(HIDING))
def test_an_archive_that_hides_an_entry_from_python_is_unsafe(hiding: Callable[[], bytes]) -> None:
    content = hiding()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["a/data.pkl", "a/version"]
        assert archive.testzip() is None

    assert scan(content).state is ScanState.UNSAFE


def test_a_compressed_file_in_an_archive_is_unpacked() -> None:
    for content in (gzip.compress(attack()), zlib.compress(attack()), bz2.compress(attack())):
        found = scan(zipped(inner_bin=content))
        assert [finding.detail for finding in found.findings] == ["posix.system"]


class Unseekable(io.RawIOBase):
    """Where an archiver cannot go back to write a size."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        written = bytes(cast("bytes", content))
        self.written += written
        return len(written)


def streamed(*, force_zip64: bool = False) -> bytes:
    target = Unseekable()
    with zipfile.ZipFile(cast("io.BytesIO", target), "w") as archive:
        with archive.open("a/data.pkl", "w", force_zip64=force_zip64) as member:
            member.write(pickle.dumps({}))
        archive.writestr("a/data/0", bytes(64))
        archive.comment = b"a comment"
    return target.written


def test_sizes_behind_the_content_and_comments_are_sound() -> None:
    assert scan(streamed()).state is ScanState.CLEAN
    assert scan(streamed(force_zip64=True)).state is ScanState.CLEAN


def test_the_directory_of_a_large_archive_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    large = zipped(a__data_pkl=pickle.dumps({}), a__version=b"3\n")

    assert b"PK\x06\x06" in large
    assert scan(large).state is ScanState.CLEAN
    at = large.index(b"PK\x06\x06") + 48
    [start] = struct.unpack_from("<Q", large, at)
    other = struct.pack("<Q", start - 1)
    in_both = len(large) - END + 16
    for lies in (
        large[:at] + other + large[at + 8 :],
        large[:in_both] + other[:4] + large[in_both + 4 :],
        large[:at] + other + large[at + 8 : in_both] + other[:4] + large[in_both + 4 :],
    ):
        assert scan(lies).state is ScanState.UNSAFE


def tar(first: bytes, content: bytes = b"") -> bytes:
    """A tar file of one entry, whose name may be anything."""
    entry = tarfile.TarInfo("x")
    entry.size = len(content)
    header = bytearray(entry.tobuf(tarfile.USTAR_FORMAT))
    header[: len(first)] = first
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content.ljust(-(-len(content) // 512) * 512, b"\0") + bytes(1024)


def test_a_tar_file_may_be_a_pickle_as_well() -> None:
    """It begins with a name, which may be instructions. joblib looks for no tar file."""
    found = scan(tar(PROTO + system() + STOP), "model.joblib")

    assert [finding.detail for finding in found.findings] == ["os.system"]
    for harmless in (b"classes.txt", b"conda.yaml", b"config/config.properties"):
        assert scan(tar(harmless)).state is ScanState.NOT_NEEDED


def test_a_tar_file_of_the_first_format_is_looked_into_wherever_it_lies() -> None:
    """It has no mark but its check sum."""
    old = bytearray(tar(b"m.pkl", attack()))
    old[257:265] = bytes(8)
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])

    for content in (bytes(old), zipped(inner_tar=bytes(old))):
        found = scan(content)
        assert [finding.detail for finding in found.findings] == ["posix.system"]
