"""Streams of strangers: read within limits, and kept pickle by pickle for a second look."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

# What stands in the way of a source: a damaged archive, which another reader may take as it is.
SOURCE_FAULTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
_CHUNK = 1 << 20


class UnreadableError(Exception):
    """The stream cannot be followed to its end as a loader would."""


class Stream:
    """A stream that says where it is, never reads more than `limit` bytes into memory, and keeps what it read.

    Arrays that are skipped neither count nor are kept. `kept` are the pickles one by one.
    """

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._source = source
        self._left = limit
        self.position = 0
        self.kept: list[BytesIO] = []
        self._keeping = BytesIO()

    @contextmanager
    def pickle(self) -> Iterator[None]:
        """What is read inside is one pickle, and no part of the one around it."""
        before, self._keeping = self._keeping, BytesIO()
        self.kept.append(self._keeping)
        try:
            yield
        finally:
            self._keeping = before

    def read(self, size: int = -1) -> bytes:
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        with _readable():
            read = self._source.read(wanted)
        return self._took(read)

    def readline(self) -> bytes:
        with _readable():
            read = self._source.readline(self._left + 1)
        return self._took(read)

    def skip(self, size: int) -> None:
        while size > 0:
            with _readable():
                skipped = len(self._source.read(min(size, _CHUNK)))
            if not skipped:
                raise EOFError
            self.position += skipped
            size -= skipped

    def _took(self, read: bytes) -> bytes:
        self.position += len(read)
        self._left -= len(read)
        if self._left < 0:
            raise UnreadableError("its pickle is larger than what is looked into")
        self._keeping.write(read)
        return read


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except SOURCE_FAULTS as damaged:
        raise UnreadableError(f"it cannot be unpacked: {damaged}") from damaged
