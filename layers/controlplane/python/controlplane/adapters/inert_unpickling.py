"""Reading pickles by Python's own unpicklers, with nothing in them that could do anything.

A pickle is a program for a small stack machine. What it imports can only be told by running that machine: names are
computed on its stack, and joblib puts raw arrays between its instructions. So the machine runs, but each global that
it asks for is noted and answered with an inert class: calling it, setting its state or filling it does nothing.
Nothing is imported. Until the first global only numbers, texts and containers exist, so a stream that fails before it
fails in every loader as well.
"""

import pickle
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from math import prod
from typing import Any, BinaryIO, ClassVar

from controlplane.adapters.bounded_streams import Stream, UnreadableError

# What the machines raise for streams that are no pickles, or broken ones.
FAULTS = (
    pickle.UnpicklingError,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)
GlobalName = tuple[str, str]
Note = Callable[[GlobalName], None]

_ARRAY: GlobalName = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_DTYPE: GlobalName = ("numpy", "dtype")
_CHARACTER_BYTES = {"U": 4, "S": 1, "V": 1}
_TYPE_TEXT = re.compile(r"[<>|=]?([biufcmMOSUV])(\d+)")
_HAS_OBJECTS = 1  # NPY_ITEM_REFCOUNT of a dtype's flags
_NO_STATE = (3, "|", None, None, None, -1, -1, 0)


class Inert:
    """Stands for whatever a pickle makes. It keeps what it was made of, for the few kinds whose size matters."""

    arguments: tuple[Any, ...]
    state: dict[str, Any]

    def __new__(cls, *arguments: Any, **_: Any) -> "Inert":
        made = object.__new__(cls)
        made.arguments = arguments
        made.state = {}
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        """Takes anything."""

    def __call__(self, *_: Any, **__: Any) -> "Inert":
        return Inert()

    def __setstate__(self, state: Any) -> None:
        """As objects without such a method of their own take it: a dict, or that and one of slots."""
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state.update(part)

    def __setitem__(self, _: Any, __: Any) -> None:
        """Takes anything."""

    def append(self, _: Any) -> None:
        """Takes anything."""

    def extend(self, _: Any) -> None:
        """Takes anything."""

    def add(self, _: Any) -> None:
        """Takes anything."""


class InertDtype(Inert):
    """A numpy.dtype: the only thing that says how many bytes of an array follow."""

    def __setstate__(self, state: Any) -> None:
        if self.state:
            raise UnreadableError("an array's type is changed after it was made")
        self.state = {"all": state}

    @property
    def has_objects(self) -> bool:
        flags = self._part(7, 0)
        return self._kind[0] == "O" or bool(flags & _HAS_OBJECTS)

    @property
    def itemsize(self) -> int:
        """Bytes of one element, as both parts of the pickle must tell it."""
        letter, digits = self._kind
        size = int(digits) * _CHARACTER_BYTES.get(letter, 1)
        if self._part(2, None) is not None or self._part(5, -1) not in (-1, size):
            raise UnreadableError("an array's type contradicts itself")
        return size

    @property
    def _kind(self) -> tuple[str, str]:
        text = self.arguments[0] if self.arguments else None
        found = _TYPE_TEXT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise UnreadableError("an array's type is unknown")
        return found[1], found[2]

    def _part(self, index: int, default: Any) -> Any:
        """One of the parts of `numpy.dtype.__reduce__`'s state: version, order, subarray, names, fields, size, …"""
        state = self.state.get("all", _NO_STATE)
        if not isinstance(state, tuple) or len(state) not in (8, 9):
            raise UnreadableError("an array's type is unknown")
        part = state[index]
        if isinstance(default, int) and not isinstance(part, int):
            raise UnreadableError("an array's type is unknown")
        return part


class InertArray(Inert):
    """joblib's NumpyArrayWrapper, behind whose state the array's bytes lie."""

    def __new__(cls, *arguments: Any, **named: Any) -> "InertArray":
        if arguments or named:
            raise UnreadableError("an array is made in a way that joblib does not")
        made = super().__new__(cls)
        assert isinstance(made, InertArray)  # noqa: S101 - a class makes its instances
        return made

    @property
    def dtype(self) -> InertDtype:
        dtype = self.state.get("dtype")
        if not isinstance(dtype, InertDtype):
            raise UnreadableError("an array's type is unknown")
        return dtype

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        shape = self.state.get("shape")
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise UnreadableError("an array's shape is unknown")
        return prod(shape) * self.dtype.itemsize


def _inert_class(name: GlobalName) -> type[Inert]:
    base = {_ARRAY: InertArray, _DTYPE: InertDtype}.get(name, Inert)
    return type("Inert", (base,), {})


class NativeMachine(pickle.Unpickler):
    """Python's own unpickler, in C: what `pickle.load`, cloudpickle, numpy and torch use."""

    def __init__(self, stream: Stream, note: Note) -> None:
        super().__init__(stream, encoding="latin1")
        self._note = note

    def find_class(self, module: str, name: str, /) -> Any:
        self._note((module, name))
        return _inert_class((module, name))

    def persistent_load(self, _: Any) -> Any:
        return Inert()


# Undocumented, and what joblib itself extends: the one in C has no instructions to override.
_Unpickler = pickle._Unpickler  # noqa: SLF001 - see above


class JoblibMachine(_Unpickler):
    """The unpickler in Python, as joblib extends it: arrays lie between the instructions.

    Source of the array's layout: joblib 1.5, `numpy_pickle.NumpyArrayWrapper.read_array`.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Unpickler.dispatch)
    stack: list[Any]

    def __init__(self, stream: Stream, note: Note, nested: Callable[[], None]) -> None:
        super().__init__(stream, encoding="latin1")
        self._stream, self._note, self._nested = stream, note, nested
        self.arrays = 0

    def find_class(self, module: str, name: str) -> Any:
        self._note((module, name))
        return _inert_class((module, name))

    def persistent_load(self, _: Any) -> Any:
        return Inert()

    def build(self) -> None:
        super().load_build()  # type: ignore[misc]  # typeshed leaves the instructions out
        if isinstance(self.stack[-1], InertArray):
            self.arrays += 1
            self._pass_array(self.stack.pop())
            self.stack.append(Inert())

    dispatch[pickle.BUILD[0]] = build

    def _pass_array(self, array: InertArray) -> None:
        if array.dtype.has_objects:
            self._nested()
            return
        size = array.size
        if array.state.get("numpy_array_alignment_bytes") is not None:
            padding = self._stream.read(1)
            self._stream.skip(padding[0] if padding else 0)
        self._stream.skip(size)


@dataclass
class Reading:
    """What one of the machines found in a stream, from its first pickle on.

    `complete` pickles came to their end; `broken`: something follows that is none, or ends too early, after
    `broken_globals` imports. `pickles` are the bytes of each.
    """

    globals: set[GlobalName] = field(default_factory=set)
    complete: int = 0
    broken: bool = False
    broken_globals: int = 0
    arrays: int = 0
    first: Any = None
    pickles: list[BytesIO] = field(default_factory=list)


def read_as_joblib(source: BinaryIO, limit: int) -> Reading:
    """As joblib reads it. Raises UnreadableError."""
    reading = Reading()
    stream = Stream(source, limit)

    def nested() -> None:
        with stream.pickle():
            NativeMachine(stream, reading.globals.add).load()

    def load() -> Any:
        machine = JoblibMachine(stream, reading.globals.add, nested)
        try:
            return machine.load()
        finally:
            reading.arrays += machine.arrays

    return _read(stream, reading, load)


def read_natively(source: BinaryIO, limit: int) -> Reading:
    """As `pickle.load` reads it. Raises UnreadableError."""
    reading = Reading()
    stream = Stream(source, limit)
    return _read(stream, reading, lambda: NativeMachine(stream, reading.globals.add).load())


def _read(stream: Stream, reading: Reading, load: Callable[[], Any]) -> Reading:
    """One pickle after the other, up to the end of the stream or what is no pickle."""
    reading.pickles = stream.kept
    while True:
        before, start = len(reading.globals), stream.position
        try:
            with stream.pickle():
                made = load()
        except FAULTS:
            reading.broken = stream.position > start
            reading.broken_globals = len(reading.globals) - before
            return reading
        except (MemoryError, RuntimeError) as beyond:
            raise UnreadableError("it is nested too deeply or too large") from beyond
        if not reading.complete:
            reading.first = made
        reading.complete += 1
