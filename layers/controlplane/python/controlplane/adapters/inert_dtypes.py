"""Types of numpy's arrays, as pickles tell them: what says how many bytes of an array follow."""

import re
from math import prod
from typing import Any

from controlplane.adapters.bounded_streams import UnreadableError
from controlplane.adapters.inert_objects import Guarded, Inert

_CHARACTER_BYTES = {"U": 4, "S": 1, "V": 1}
# An int of C holds every size; numpy refuses what is larger.
_TYPE_TEXT = re.compile(r"[<>|=]?([biufcmMOSUV])([0-9]{1,9})")
_TYPE_VERSIONS = (3, 4)
_HAS_OBJECTS = 1  # NPY_ITEM_REFCOUNT of a dtype's flags
# With it go NPY_LIST_PICKLE and NPY_NEEDS_INIT: how numpy keeps such elements, and makes new ones, as of texts.
_OF_OBJECTS_ALONE = 1 | 2
_WITH_OBJECTS = 1 | 2 | 8


class InertDtype(Inert, metaclass=Guarded):
    """A numpy.dtype: the only thing that says how many bytes of an array follow."""

    origin = ("numpy", "dtype")

    def __new__(cls, *arguments: Any, **named: Any) -> "InertDtype":
        """As `numpy.dtype.__reduce__` makes one: of a text, and a copy. Others are shared, and keep their state."""
        flags = [type(flag) in (bool, int) and flag for flag in arguments[1:]]
        if named or flags != [False, True] or type(arguments[0]) is not str:
            raise UnreadableError("an array's type is made in a way that numpy does not")
        made = super().__new__(cls, *arguments)
        assert isinstance(made, InertDtype)  # noqa: S101 - a class makes its instances
        return made

    def __setstate__(self, state: Any) -> None:
        """numpy believes a state. One that contradicts itself would let an array take numbers for objects."""
        if self.state:
            raise UnreadableError("an array's type is changed after it was made")
        self.state = {"all": state}
        letter, _ = self._letter_and_size
        flags = self._number(7)
        if letter == "V":
            self._require_sound_parts()
        elif self._part(4) is not None or self._part(2) is not None:
            raise UnreadableError("an array's type contradicts itself")
        asked, expected = (_OF_OBJECTS_ALONE, 0)
        if self._holds_objects():
            asked = expected = _WITH_OBJECTS
        if self.itemsize < 0 or flags & asked != expected:
            raise UnreadableError("an array's type contradicts itself")

    @property
    def has_objects(self) -> bool:
        """Whether an array of it is a pickle."""
        return bool(self._number(7) & _HAS_OBJECTS)

    @property
    def itemsize(self) -> int:
        """Bytes of one element, as both parts of the pickle must tell it."""
        letter, digits = self._letter_and_size
        size = int(digits) * _CHARACTER_BYTES.get(letter, 1)
        expected = (size,) if letter in _CHARACTER_BYTES else (-1, size)
        if self._number(5) not in expected:
            raise UnreadableError("an array's type contradicts itself")
        return size

    def _holds_objects(self) -> bool:
        return self._letter_and_size[0] == "O" or any(
            kind.has_objects for kind, _, _ in self._parts()
        )

    def _require_sound_parts(self) -> None:
        """Within the element; and where objects are, one behind the other."""
        end, parts = 0, sorted(self._parts(), key=lambda part: part[1])
        for kind, offset, count in parts:
            size = kind.itemsize * count
            overlaps = offset < end and self._holds_objects()
            if offset < 0 or offset + size > self.itemsize or overlaps:
                raise UnreadableError("an array's type contradicts itself")
            end = max(end, offset + size)

    def _parts(self) -> list[tuple["InertDtype", int, int]]:
        """Its fields, or the element of its subarray: type, offset in bytes, and how many."""
        subarray, fields = self._part(2), self._part(4)
        if subarray is not None:
            return [(_part_type(subarray), 0, _count(subarray))]
        if fields is None:
            return []
        if type(fields) is not dict:
            raise UnreadableError("an array's type is unknown")
        return [(_part_type(part), _offset(part), 1) for part in fields.values()]

    @property
    def _letter_and_size(self) -> tuple[str, str]:
        found = _TYPE_TEXT.fullmatch(self.arguments[0])
        if found is None:
            raise UnreadableError("an array's type is unknown")
        return found[1], found[2]

    def _number(self, index: int) -> int:
        number = self._part(index)
        if type(number) not in (bool, int):
            raise UnreadableError("an array's type is unknown")
        return int(number)

    def _part(self, index: int) -> Any:
        """One of the parts of `numpy.dtype.__reduce__`'s state: version, order, subarray, names, fields, size, …"""
        state = self.state.get("all")
        if type(state) is not tuple or len(state) not in (8, 9):
            raise UnreadableError("an array's type is unknown")
        if type(state[0]) is not int or state[0] not in _TYPE_VERSIONS:
            raise UnreadableError("an array's type is unknown")
        return state[index]


def _offset(part: tuple[Any, ...]) -> int:
    if len(part) not in (2, 3) or type(part[1]) is not int:
        raise UnreadableError("an array's type is unknown")
    return part[1]


def _count(subarray: tuple[Any, ...]) -> int:
    shape = subarray[1] if len(subarray) == 2 else None
    shape = (shape,) if type(shape) is int else shape
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise UnreadableError("an array's type is unknown")
    return prod(shape)


def _part_type(part: Any) -> InertDtype:
    """The type of a field, or of a subarray's elements: the first of a tuple."""
    if type(part) is not tuple or not part or not isinstance(part[0], InertDtype):
        raise UnreadableError("an array's type is unknown")
    return part[0]
