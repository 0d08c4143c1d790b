"""What numpy's files say of themselves. Source: numpy.lib.format, "Format Version" 1.0 to 3.0."""

import ast
import re
from typing import Any, BinaryIO

from controlplane.adapters.bounded_streams import UnreadableError

MAGIC = b"\x93NUMPY"
_LONGEST = 1 << 16
# Texts that numpy writes for types without objects. It reads many more, such as "object" and "i4,O".
_NUMBERS = re.compile(r"[<>|=]?[biufcmMSUV][0-9]+(\[[0-9]*[A-Za-z]+\])?")


def holds_objects(file: BinaryIO) -> bool:
    """Whether a pickle may follow the header, behind which the file stands then. Raises UnreadableError."""
    file.seek(len(MAGIC))
    width = {b"\x01": 2, b"\x02": 4, b"\x03": 4}.get(file.read(2)[:1])
    if width is None:
        raise UnreadableError("it is an array of an unknown version")
    length = int.from_bytes(file.read(width), "little")
    if length > _LONGEST:
        raise UnreadableError("its header is too long")
    text = file.read(length).decode("latin1")
    try:
        described = ast.literal_eval(text.strip())["descr"]
        return not _is_of_numbers(described)
    except (SyntaxError, ValueError, TypeError, KeyError, MemoryError, RecursionError) as malformed:
        raise UnreadableError("its header is malformed") from malformed


def _is_of_numbers(described: Any) -> bool:
    """A text; fields as a list of (name, type) or (name, type, shape); or (type, shape)."""
    if isinstance(described, str):
        return _NUMBERS.fullmatch(described) is not None
    if isinstance(described, list):
        return all(
            isinstance(part, tuple) and len(part) in (2, 3) and _is_of_numbers(part[1])
            for part in described
        )
    return isinstance(described, tuple) and len(described) == 2 and _is_of_numbers(described[0])
