"""Zip archives that every reader reads alike.

A zip file may be found by its first entry, by its directory, or by the record at its end that tells where the
directory is. Python asks the end, and moves the directory to where it expects it; torch's reader believes the record;
Java's streams read entry by entry. Where entries, directory and end follow each other without gaps they all find the
same files.

Source: APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.
"""

import struct
import zipfile
from collections.abc import Container
from typing import Any, BinaryIO

from controlplane.adapters.bounded_streams import UnreadableError

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")
# Sizes that follow a content where they were not known before: with and without signature, of 32 and 64 bits.
_DESCRIPTORS = (12, 16, 20, 24)
_HAS_DESCRIPTOR = 0x08


def require_one_reading(file: BinaryIO, archive: zipfile.ZipFile) -> None:
    """For an archive that begins with its first entry. Raises UnreadableError."""
    _require_one_directory(file, archive)
    expected: Container[int] = {0}
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        _require_at(member.header_offset, expected)
        expected = _ends_of(file, member)
    _require_at(archive.start_dir, expected)


def _require_at(position: int, expected: Container[int]) -> None:
    if position not in expected:
        raise UnreadableError("something lies between its files")


def _require_one_directory(file: BinaryIO, archive: zipfile.ZipFile) -> None:
    """It must lie where the last record says, and reach to it, which is where Python looks for it."""
    end = file.seek(0, 2) - _END.size - len(archive.comment)
    signature, *_, size, offset, _ = _read(file, end, _END)
    if signature != b"PK\x05\x06":
        raise UnreadableError("it has more than one directory")
    if end >= _LOCATOR_64.size:
        found, _, at, _ = _read(file, end - _LOCATOR_64.size, _LOCATOR_64)
        if found == b"PK\x06\x07":
            _require_one_of_64(file, at, end, (size, offset))
            return
    if offset + size != end:
        raise UnreadableError("it has more than one directory")


def _require_one_of_64(file: BinaryIO, at: int, end: int, told: tuple[int, int]) -> None:
    """Of a large archive. The record of small ones repeats its numbers, or tells that it cannot."""
    signature, *_, size, offset = _read(file, at, _END_64)
    repeated = [one in (large, 0xFFFFFFFF) for one, large in zip(told, (size, offset), strict=True)]
    if signature != b"PK\x06\x06" or not all(repeated):
        raise UnreadableError("it has more than one directory")
    if (offset + size, at + _END_64.size) != (at, end - _LOCATOR_64.size):
        raise UnreadableError("it has more than one directory")


def _ends_of(file: BinaryIO, member: zipfile.ZipInfo) -> Container[int]:
    """Where a member may end."""
    *_, name, extra = _read(file, member.header_offset, _LOCAL)
    end = member.header_offset + _LOCAL.size + name + extra + member.compress_size
    more = _DESCRIPTORS if member.flag_bits & _HAS_DESCRIPTOR else (0,)
    return {end + size for size in more}


def _read(file: BinaryIO, position: int, record: struct.Struct) -> tuple[Any, ...]:
    file.seek(position)
    content = file.read(record.size)
    if len(content) < record.size:
        raise UnreadableError("it ends in the middle")
    return record.unpack(content)
