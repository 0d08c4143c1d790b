"""The stand-ins that know something: joblib's arrays, and functools.partial where it is harmless."""

from math import prod
from typing import Any

from controlplane.adapters.bounded_streams import UnreadableError
from controlplane.adapters.inert_dtypes import InertDtype
from controlplane.adapters.inert_objects import GlobalName, Guarded, Inert, origin_of

PARTIAL: GlobalName = ("functools", "partial")
_CHECK_ARRAY: GlobalName = ("sklearn.utils.validation", "check_array")
_OF_ARRAYS = frozenset(
    {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
)
_PLAIN = (type(None), bool, int, float, str)


class InertArray(Inert, metaclass=Guarded):
    """joblib's NumpyArrayWrapper, behind whose state the array's bytes lie."""

    origin = ("joblib.numpy_pickle", "NumpyArrayWrapper")

    def __new__(cls, *arguments: Any, **named: Any) -> "InertArray":
        if arguments or named:
            raise UnreadableError("an array is made in a way that joblib does not")
        made = super().__new__(cls)
        assert isinstance(made, InertArray)  # noqa: S101 - a class makes its instances
        return made

    def __setstate__(self, state: Any) -> None:
        """An attribute of another name could be a method of the wrapper's, such as `read`."""
        if self.state or type(state) is not dict or not state.keys() <= _OF_ARRAYS:
            raise UnreadableError("an array is made in a way that joblib does not")
        self.state = dict(state)

    @property
    def dtype(self) -> InertDtype:
        dtype = self.state.get("dtype")
        if not isinstance(dtype, InertDtype):
            raise UnreadableError("an array's type is unknown")
        return dtype

    @property
    def is_aligned(self) -> bool:
        alignment = self.state.get("numpy_array_alignment_bytes")
        if type(alignment) not in (type(None), int):
            raise UnreadableError("an array is made in a way that joblib does not")
        return alignment is not None

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        shape = self.state.get("shape")
        if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise UnreadableError("an array's shape is unknown")
        return prod(shape) * self.dtype.itemsize


class InertPartial(Inert, metaclass=Guarded):
    """functools.partial, of scikit-learn's check_array and plain settings alone.

    That is how a gradient boosting of histograms keeps its categories. Of any other function it could run anything.
    """

    origin = PARTIAL

    def __new__(cls, *arguments: Any, **named: Any) -> "InertPartial":
        _require_partial(not named and list(map(origin_of, arguments)) == [_CHECK_ARRAY])
        made = super().__new__(cls, *arguments)
        assert isinstance(made, InertPartial)  # noqa: S101 - a class makes its instances
        return made

    def __setstate__(self, state: Any) -> None:
        """As `functools.partial.__reduce__` tells it: function, arguments, named ones, attributes."""
        _require_partial(type(state) is tuple and len(state) == 4)
        function, arguments, named, attributes = state
        _require_partial(origin_of(function) == _CHECK_ARRAY and arguments == () and not attributes)
        _require_partial(named is None or type(named) is dict)
        for key, value in (named or {}).items():
            values = value if type(value) is list else [value]
            _require_partial(type(key) is str and all(map(_is_setting, values)))


def _is_setting(value: Any) -> bool:
    """A number or a text, or a type of numpy's."""
    origin = origin_of(value)
    return type(value) in _PLAIN or (origin is not None and origin[0] == "numpy")


def _require_partial(sound: bool) -> None:
    if not sound:
        raise UnreadableError("it uses functools.partial for more than scikit-learn's check_array")


_KINDS: dict[GlobalName, type[Inert]] = {
    kind.origin: kind for kind in (InertArray, InertDtype, InertPartial)
}
_GUARDED = frozenset({Guarded, InertArray})


def inert_class(name: GlobalName) -> type[Inert]:
    """What an import is answered with."""
    return _KINDS.get(name) or type("Inert", (Inert,), {"origin": name})


def require_unguarded(values: list[Any]) -> None:
    """What containers, arguments and states may hold: no guarded class and no array. Raises UnreadableError."""
    if not _GUARDED.isdisjoint(map(type, values)):
        raise UnreadableError("it hands on how arrays are made")
