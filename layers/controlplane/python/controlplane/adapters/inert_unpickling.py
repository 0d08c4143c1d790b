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
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, ClassVar

from controlplane.adapters.bounded_streams import Stream, UnreadableError
from controlplane.adapters.inert_kinds import InertArray, inert_class, require_unguarded
from controlplane.adapters.inert_objects import (
    GlobalName,
    Inert,
    InertPersistent,
    require_to_take_state,
)

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
Note = Callable[[GlobalName], None]

# A character of ASCII that no name of a module has: Python finds no file of such a name, in any loader.
_NO_MODULE = re.compile(r"[\x00-,/:-@\[-^`{-\x7f]")


def _import(module: str, name: str, note: Note) -> type[Inert]:
    """What stands for a global. Raises UnpicklingError where nothing can be imported: text that begins like a pickle.

    torch asks for no module where a name is a storage's.
    """
    if _is_no_module(module) and "Storage" not in name:
        raise pickle.UnpicklingError("no module has such a name")
    note((module, name))
    return inert_class((module, name))


def _is_no_module(module: str) -> bool:
    """Python imports what is before a dot first. That may be a package of the server's, such as of `conda.yaml: x`.

    Modules of the standard library are not taken for the beginning of a text: a few act when they are imported.
    """
    first, _, rest = module.partition(".")
    if _NO_MODULE.search(first):
        return True
    second = rest.partition(".")[0]
    return _NO_MODULE.search(second) is not None and first not in sys.stdlib_module_names


class NativeMachine(pickle.Unpickler):
    """Python's own unpickler, in C: what `pickle.load`, cloudpickle, numpy and torch use."""

    def __init__(self, stream: Stream, note: Note) -> None:
        super().__init__(stream, encoding="latin1")
        self._note = note

    def find_class(self, module: str, name: str, /) -> Any:
        return _import(module, name, self._note)

    def persistent_load(self, _: Any) -> Any:
        return InertPersistent()


# Undocumented, and what joblib itself extends: the one in C has no instructions to override.
_Unpickler = pickle._Unpickler  # noqa: SLF001 - see above
_Instruction = Callable[[Any], None]


def _checked(instruction: bytes, taken: int) -> tuple[int, _Instruction]:
    """An instruction that puts the last values of the stack into something else."""
    run = _Unpickler.dispatch[instruction[0]]

    def checked(machine: Any) -> None:
        require_unguarded(machine.stack[-taken:])
        run(machine)

    return instruction[0], checked


class StrictMachine(_Unpickler):
    """The unpickler in Python, which sees to it that no stand-in is taken for what it is not.

    It accepts no more than the one in C: a stream that it follows to the end is the same to both.
    """

    dispatch: ClassVar[dict[int, _Instruction]] = dict(_Unpickler.dispatch) | dict(
        (
            *(_checked(pickle.TUPLE1, 1), _checked(pickle.TUPLE2, 2), _checked(pickle.TUPLE3, 3)),
            *(_checked(pickle.APPEND, 1), _checked(pickle.SETITEM, 2), _checked(pickle.REDUCE, 1)),
        )
    )
    stack: list[Any]

    def __init__(self, stream: Stream, note: Note) -> None:
        super().__init__(stream, encoding="latin1")
        self._note = note

    def find_class(self, module: str, name: str) -> Any:
        return _import(module, name, self._note)

    def persistent_load(self, _: Any) -> Any:
        return InertPersistent()

    def pop_mark(self) -> list[Any]:
        """What an instruction takes from the stack that takes any number."""
        items: list[Any] = super().pop_mark()  # type: ignore[misc]  # typeshed leaves it out
        require_unguarded(items)
        return items

    def build(self) -> None:
        require_unguarded(self.stack[-1:])
        require_to_take_state(self.stack[-2], self.stack[-1])
        super().load_build()  # type: ignore[misc]  # typeshed leaves the instructions out

    dispatch[pickle.BUILD[0]] = build


class JoblibMachine(StrictMachine):
    """The unpickler in Python, as joblib extends it: arrays lie between the instructions.

    Source of the array's layout: joblib 1.5, `numpy_pickle.NumpyArrayWrapper.read_array`.
    """

    dispatch: ClassVar[dict[int, _Instruction]] = dict(StrictMachine.dispatch)

    def __init__(self, stream: Stream, note: Note) -> None:
        super().__init__(stream, note)
        self._stream = stream
        self.arrays = 0

    def build(self) -> None:
        super().build()
        if isinstance(self.stack[-1], InertArray):
            self.arrays += 1
            self._pass_array(self.stack.pop())
            self.stack.append(Inert())

    dispatch[pickle.BUILD[0]] = build

    def _pass_array(self, array: InertArray) -> None:
        if array.dtype.has_objects:
            with self._stream.pickle():
                StrictMachine(self._stream, self._note).load()
            return
        size = array.size
        if array.is_aligned:
            padding = self._stream.read(1)
            self._stream.skip(padding[0] if padding else 0)
        self._stream.skip(size)


@dataclass
class Reading:
    """What one of the machines found in a stream, from its first pickle on.

    `complete` pickles came to their end; `broken`: something follows that is none, or ends too early, after
    `broken_globals` imports. `obstacle`: why it could not be followed. `pickles` are the bytes of each.
    """

    globals: set[GlobalName] = field(default_factory=set)
    complete: int = 0
    broken: bool = False
    broken_globals: int = 0
    arrays: int = 0
    first: Any = None
    obstacle: UnreadableError | None = None
    pickles: list[BytesIO] = field(default_factory=list)


def read_as_joblib(source: BinaryIO, limit: int) -> Reading:
    """As joblib reads it."""
    reading = Reading()
    stream = Stream(source, limit)

    def load(note: Note) -> Any:
        machine = JoblibMachine(stream, note)
        try:
            return machine.load()
        finally:
            reading.arrays += machine.arrays

    return _read(stream, reading, load)


def read_natively(source: BinaryIO, limit: int) -> Reading:
    """As `pickle.load` reads it."""
    reading = Reading()
    stream = Stream(source, limit)
    return _read(stream, reading, lambda note: NativeMachine(stream, note).load())


def _read(stream: Stream, reading: Reading, load: Callable[[Note], Any]) -> Reading:
    """One pickle after the other, up to the end of the stream or what is no pickle."""
    reading.pickles = stream.kept
    while True:
        noted: list[GlobalName] = []
        start = stream.position
        try:
            with stream.pickle():
                made = load(noted.append)
        except FAULTS:
            reading.broken = stream.position > start
            reading.broken_globals = len(noted)
            return reading
        except UnreadableError as obstacle:
            reading.obstacle = obstacle
            return reading
        except (MemoryError, RuntimeError):
            reading.obstacle = UnreadableError("it is nested too deeply or too large")
            return reading
        finally:
            reading.globals.update(noted)
        if not reading.complete:
            reading.first = made
        reading.complete += 1
