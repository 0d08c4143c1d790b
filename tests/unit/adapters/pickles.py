"""Pickles written by hand: what an attacker would send, and what joblib writes, without either at hand."""

import io
import os
import pickle
import struct
import zipfile
from typing import Any

STOP = b"."
PROTO = b"\x80\x04"


class Runs:
    """Runs a command where it is unpickled."""

    def __init__(self, function: Any = os.system, *arguments: Any) -> None:
        self._made = (function, arguments or ("echo pwned",))

    def __reduce__(self) -> Any:
        return self._made


def attack(protocol: int = 4) -> bytes:
    return pickle.dumps(Runs(), protocol=protocol)


def name(module: str, name: str) -> bytes:
    """The instruction that imports it."""
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"\x8c" + bytes([len(encoded)]) + encoded


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def system() -> bytes:
    return call(name("os", "system"), text("echo pwned"))


def dtype(kind: str, size: int = -1, flags: int = 0) -> bytes:
    """As numpy pickles a type: its name, then its state."""
    made = call(name("numpy", "dtype"), text(kind), b"\x89", b"\x88")
    state = number(3) + text("|") + b"NNN" + number(size) + number(-1) + number(flags)
    return made + b"(" + state + b"tb"


WRAPPER = name("joblib.numpy_pickle", "NumpyArrayWrapper")


def array_state(of: bytes, shape: tuple[int, ...], more: bytes = b"") -> bytes:
    """What joblib's wrapper of an array keeps of it."""
    sizes = b"(" + b"".join(number(n) for n in shape) + b"t"
    kept = text("subclass") + name("numpy", "ndarray") + text("shape") + sizes
    return b"}(" + kept + text("order") + text("C") + text("dtype") + of + more + b"u"


def array(
    content: bytes,
    of: bytes,
    shape: tuple[int, ...],
    aligned: bool = True,
    made: bytes = WRAPPER + b")\x81",
) -> bytes:
    """As joblib lays an array between the instructions."""
    more = text("numpy_array_alignment_bytes") + number(16) if aligned else b""
    wrapper = made + array_state(of, shape, more) + b"b"
    return wrapper + (b"\x03\xff\xff\xff" if aligned else b"") + content


def floats(count: int) -> bytes:
    return struct.pack(f"<{count}d", *range(count))


def zipped(**members: bytes) -> bytes:
    """A zip file; `__` in a name stands for a slash, `_` for a dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in members.items():
            archive.writestr(member.replace("__", "/").replace("_", "."), content)
    return file.getvalue()


def npy(described: str, content: bytes) -> bytes:
    """An array as numpy.save writes it."""
    header = f"{{'descr': {described}, 'fortran_order': False, 'shape': (1,), }}".encode()
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content
