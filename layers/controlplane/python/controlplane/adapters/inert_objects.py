"""What a pickle makes where nothing can be made: stand-ins that do nothing.

Two things of a pickle decide how its bytes are read: which object is joblib's wrapper of an array, and what type the
array has. A stand-in must never be taken for another object than the loader's, so all ways are closed by which one of
these two could be made, changed or handed on behind the reader's back; no framework goes any of them.
"""

from typing import Any, ClassVar

from controlplane.adapters.bounded_streams import UnreadableError
from controlplane.registry.allowed_globals import (
    is_allowed,
    is_called,
    is_container,
    is_of_plain_values,
    takes_state,
)

GlobalName = tuple[str, str]

# These call what they are given.
_OF_TORCH: GlobalName = ("torch._tensor", "_rebuild_from_type_v2")
_OF_RANDOM = "numpy.random._pickle"
_COPYREG = ("copyreg", "copy_reg")
# They make an instance of the class that they are given first.
_MAKERS = frozenset({"_reconstructor", "__newobj__", "__newobj_ex__"})


class Guarded(type):
    """The type of classes that nothing may hold: hidden in a list or an argument, they come back as something else."""


class Inert:
    """Stands for whatever a pickle makes. It keeps what it was made of, for the few kinds whose size matters."""

    origin: ClassVar[GlobalName | None] = None
    arguments: tuple[Any, ...]
    state: dict[str, Any]

    def __new__(cls, *arguments: Any, **named: Any) -> "Inert":
        if arguments or named:
            _require_call(cls.origin, (*arguments, *named.values()))
        made = object.__new__(cls)
        made.arguments = arguments
        made.state = {}
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        """Takes anything."""

    def __call__(self, *_: Any, **__: Any) -> "Inert":
        """No framework writes it. Code of an allowed class would run on what the pickle gives it."""
        raise UnreadableError("it calls what it has made")

    def __setstate__(self, state: Any) -> None:
        """As objects without such a method of their own take it: a dict, or that and one of slots."""
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state.update(part)

    def __setitem__(self, _: Any, __: Any) -> None:
        self._require_container()

    def append(self, _: Any) -> None:
        self._require_container()

    def extend(self, _: Any) -> None:
        self._require_container()

    def add(self, _: Any) -> None:
        self._require_container()

    @property
    def kind(self) -> GlobalName | None:
        """The class that it is an instance of, if the pickle tells; else the function that made it."""
        if self.origin is None or self.origin[0] not in _COPYREG:
            return self.origin
        if self.origin[1] not in _MAKERS or not self.arguments:
            return self.origin
        return origin_of(self.arguments[0])

    def _require_container(self) -> None:
        """Other classes do things when an item is set: a data frame calls what it is given as a key."""
        kind = self.kind
        if kind is None or (is_allowed(*kind) and not is_container(*kind)):
            raise UnreadableError("it fills what is no container")


class InertPersistent(Inert):
    """What a loader has beside the pickle: a storage of torch's. Other loaders have nothing, and stop there.

    A text that begins with `P` asks for one, so nothing that follows is an attack before something is imported.
    """

    origin = ("", "")

    def __call__(self, *_: Any, **__: Any) -> Inert:
        raise TypeError("a storage cannot be called")


def origin_of(imported: Any) -> GlobalName | None:
    """The name of an import; None if it is something else."""
    return imported.origin if isinstance(imported, type) and issubclass(imported, Inert) else None


def require_to_take_state(made: Any, state: Any) -> None:
    """Whether a pickle may set the state of `made`. Raises UnreadableError.

    What a function returns may be what it was given: an array's type would change after it was noted.
    """
    if isinstance(made, type):
        raise UnreadableError("it changes what it imports")
    if not isinstance(made, Inert):
        return
    kind = made.kind
    if kind is None or (is_allowed(*kind) and not takes_state(*kind)):
        raise UnreadableError("it changes what a function has returned")
    if isinstance(state, Inert):
        raise UnreadableError("it sets a state that is no plain data")


def _require_call(called: GlobalName | None, arguments: tuple[Any, ...]) -> None:
    """Whether a pickle may call an import with this. Raises UnreadableError."""
    if called is None or not is_allowed(*called):
        return  # what is not allowed is told by its name
    if not is_called(*called):
        raise UnreadableError(f"it calls {'.'.join(called)} while it is loaded")
    if _asks_what_was_made(called, arguments):
        raise UnreadableError(f"it calls {'.'.join(called)} with what it has made")
    if called == _OF_TORCH and (origin_of(arguments[0]) or ("", ""))[0] != "torch._utils":
        raise UnreadableError(f"it lets {'.'.join(called)} call something")
    if called[0] == _OF_RANDOM and any(map(_is_no_generator, arguments[1:])):
        raise UnreadableError(f"it lets {'.'.join(called)} call something")


def _asks_what_was_made(called: GlobalName, arguments: tuple[Any, ...]) -> bool:
    """Whether a plain type is made of an instance: a list asks it for its items, a text how it is written."""
    classes, values = [called], list(arguments)
    # One of copyreg's calls the class that it is given, with what is in a tuple and a dict.
    if called[0] in _COPYREG:
        classes = [found for found in map(origin_of, arguments) if found]
        values += [item for one in arguments if isinstance(one, tuple) for item in one]
        values += [item for one in arguments if isinstance(one, dict) for item in one.values()]
    plain = any(is_of_plain_values(*one) for one in classes)
    return plain and any(isinstance(value, Inert) for value in values)


def _is_no_generator(argument: Any) -> bool:
    return origin_of(argument) != (_OF_RANDOM, "__bit_generator_ctor")
