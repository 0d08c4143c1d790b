"""The streams in a model file that could be unpickled: the file itself, or what archives and compression hold.

Told by content, as loaders tell it, never by name. What cannot be looked into is an UnreadableError, not a pass.
"""

import bz2
import gzip
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from typing import BinaryIO, cast

from controlplane.adapters.bounded_streams import SOURCE_FAULTS, UnreadableError
from controlplane.adapters.numpy_headers import MAGIC as NPY
from controlplane.adapters.numpy_headers import holds_objects
from controlplane.adapters.zip_layout import require_one_reading

# Beyond these it is no model that anybody saved, but something that keeps a scanner busy.
MAX_DEPTH = 3
MAX_MEMBERS = 10_000
MAX_UNPACKED_BYTES = 8 << 30
MAX_NESTED_BYTES = 1 << 30
IN_MEMORY_BYTES = 32 << 20
_HEAD = 512
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
# The first two bytes of zlib's four levels; joblib tells zlib by its first.
_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_OPAQUE = {
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
    b"ZF": "joblib's format before 0.10",
}
# joblib tells it by these two; the next ones are of the size of its dictionary.
_LZMA = b"\x5d\x00"
# What torch.save writes: raw tensors beside the pickle, which nothing unpickles.
_TENSOR = re.compile(r"[^/]+/data/[0-9]+")

Open = Callable[[], BinaryIO]


@dataclass(frozen=True)
class PickleSource:
    """A stream that may be one pickle or several; each `open` begins it anew. `name` is where it lies in the file."""

    name: str
    open: Open
    is_whole_file: bool = False


class Containers:
    """Walks through one file; its limits hold for everything in it together."""

    def __init__(self) -> None:
        self._unpacked = 0
        self._members = 0

    def sources(self, file: BinaryIO, name: str) -> Iterator[PickleSource]:
        """Every stream of a seekable file. Raises UnreadableError."""
        with _damage_is_unreadable():
            yield from self._sources(file, name, 0)

    def _sources(self, file: BinaryIO, name: str, depth: int) -> Iterator[PickleSource]:
        if depth > MAX_DEPTH:
            raise UnreadableError("archives lie in archives too deeply")
        file.seek(0)
        head = file.read(_HEAD)
        for magic, kind in _OPAQUE.items():
            if head.startswith(magic):
                raise UnreadableError(f"it is {kind}, which is not looked into")
        if head.startswith(_ZIP) or zipfile.is_zipfile(file):
            yield from self._zip_members(file, name, depth, head.startswith(_ZIP))
            if head.startswith(_ZIP):
                return
        is_known = yield from self._unpacked_sources(file, head, name, depth)
        # Its head may be instructions as well: a tar file begins with a name of anybody's choice.
        yield PickleSource(name, lambda: _rewound(file), is_whole_file=not (is_known or depth))

    def _unpacked_sources(
        self, file: BinaryIO, head: bytes, name: str, depth: int
    ) -> Generator[PickleSource, None, bool]:
        """What a compressed file, a tar file or an array holds. Returns whether it is one of these."""
        unpack = _decompressor(head)
        if unpack is not None:
            yield from self._compressed(file, unpack, name, depth)
        elif _is_tar(file):
            yield from self._tar_members(file, name, depth)
        elif head.startswith(NPY):
            yield from _array(file, name)
        else:
            return False
        return True

    def _zip_members(
        self, file: BinaryIO, name: str, depth: int, is_first: bool
    ) -> Iterator[PickleSource]:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if is_first:
                require_one_reading(file, archive)
            is_torch = _is_torch([member.filename for member in members])
            for member in members:
                if member.is_dir() or (is_torch and _TENSOR.fullmatch(member.filename)):
                    continue
                inner = f"{name}:{member.filename}"
                opened = _member_of(archive, member)
                yield from self._stored(opened, member.file_size, inner, depth)

    def _tar_members(self, file: BinaryIO, name: str, depth: int) -> Iterator[PickleSource]:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if member.name.rpartition("/")[2] == "storages":
                    raise UnreadableError("it is PyTorch's format before 0.1.10")
                if member.isreg():
                    inner = f"{name}:{member.name}"
                    yield from self._stored(_entry_of(archive, member), member.size, inner, depth)

    def _stored(self, opened: Open, size: int, name: str, depth: int) -> Iterator[PickleSource]:
        """What one member of an archive holds: unpacked if it is an archive itself."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise UnreadableError("it has too many files in it")
        self._count(size)
        with opened() as beginning:
            head = beginning.read(_HEAD)
        if size and _is_container(head):
            with opened() as member, self._spooled(member) as unpacked:
                yield from self._sources(unpacked, name, depth + 1)
        else:
            yield PickleSource(name, opened)

    def _compressed(
        self, file: BinaryIO, unpack: Callable[[BinaryIO], BinaryIO], name: str, depth: int
    ) -> Iterator[PickleSource]:
        """A pickle is read as it is unpacked; an archive needs to be unpacked first."""

        def opened() -> BinaryIO:
            return cast("BinaryIO", _Counted(unpack(_rewound(file)), self._count))

        head = opened().read(_HEAD)
        if _is_container(head):
            with self._spooled(opened()) as unpacked:
                yield from self._sources(unpacked, name, depth + 1)
        else:
            yield PickleSource(name, opened)

    @contextmanager
    def _spooled(self, source: BinaryIO) -> Iterator[BinaryIO]:
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
            target = cast("BinaryIO", file)
            shutil.copyfileobj(_Counted(source, _limit(MAX_NESTED_BYTES)), target, 1 << 20)
            yield target

    def _count(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > MAX_UNPACKED_BYTES:
            raise UnreadableError("it is too large when it is unpacked")


class _Counted:
    """A stream whose bytes are counted as they are read."""

    def __init__(self, source: BinaryIO, count: Callable[[int], None]) -> None:
        self._source, self._count = source, count

    def read(self, size: int = -1) -> bytes:
        read = self._source.read(size)
        self._count(len(read))
        return read

    def readline(self, size: int = -1) -> bytes:
        read = self._source.readline(size)
        self._count(len(read))
        return read


class _ZlibReader(RawIOBase):
    """A bare zlib stream, as joblib writes it; the standard library reads only gzip's frame of it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._unpack = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        while not self._unpack.eof:
            packed = self._unpack.unconsumed_tail or self._source.read(1 << 16)
            read = self._unpack.decompress(packed, len(buffer))
            if read or not packed:
                if not packed and not read:
                    raise EOFError("it ends in the middle")
                buffer[: len(read)] = read
                return len(read)
        return 0


def _decompressor(head: bytes) -> Callable[[BinaryIO], BinaryIO] | None:
    if head.startswith(_ZLIB):
        return lambda file: cast("BinaryIO", BufferedReader(_ZlibReader(file)))
    if head.startswith(b"\x1f\x8b"):
        return lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))
    if head.startswith(b"BZh"):
        return lambda file: cast("BinaryIO", bz2.BZ2File(file))
    if head.startswith((b"\xfd7zXZ", _LZMA)):
        return lambda file: cast("BinaryIO", lzma.LZMAFile(file))
    return None


def _is_torch(members: list[str]) -> bool:
    """Everything lies in one folder, the pickle at its top. In other archives a file may name what is unpickled."""
    root = members[0].partition("/")[0] if members else ""
    return f"{root}/data.pkl" in members and all(name.startswith(f"{root}/") for name in members)


def _is_container(head: bytes) -> bool:
    return (
        head.startswith((*_ZIP, *_OPAQUE, NPY))
        or _decompressor(head) is not None
        or _begins_tar(head)
    )


def _begins_tar(head: bytes) -> bool:
    """By its check sum: the format's first version has no other mark."""
    try:
        return bool(tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape"))
    except tarfile.HeaderError:
        return False


def _is_tar(file: BinaryIO) -> bool:
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            return bool(archive.next())
    except tarfile.TarError:
        return False


def _array(file: BinaryIO, name: str) -> Iterator[PickleSource]:
    """One array as numpy.save writes it: of objects, it is a pickle behind the header."""
    if holds_objects(file):
        start = file.tell()
        yield PickleSource(name, lambda: _rewound(file, start))


def _rewound(file: BinaryIO, start: int = 0) -> BinaryIO:
    file.seek(start)
    return file


def _member_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Open:
    return lambda: cast("BinaryIO", archive.open(member))


def _entry_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Open:
    def opened() -> BinaryIO:
        entry = archive.extractfile(member)
        if entry is None:
            raise UnreadableError(f"{member.name} cannot be unpacked")
        return cast("BinaryIO", entry)

    return opened


def _limit(most: int) -> Callable[[int], None]:
    left = [most]

    def count(size: int) -> None:
        left[0] -= size
        if left[0] < 0:
            raise UnreadableError("an archive in it is too large")

    return count


@contextmanager
def _damage_is_unreadable() -> Iterator[None]:
    try:
        yield
    except SOURCE_FAULTS as damaged:
        raise UnreadableError(f"it cannot be unpacked: {damaged}") from damaged
    except tarfile.TarError as damaged:
        raise UnreadableError(f"it cannot be unpacked: {damaged}") from damaged
