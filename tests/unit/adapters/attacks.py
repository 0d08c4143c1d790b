"""Files of which joblib or numpy runs a call that whoever looks into them may overlook.

Each is made of the pickle of the call. `tests/local/serving/test_attacks.py` loads them for real.
"""

import lzma
import tarfile
import zlib
from collections.abc import Callable

from tests.unit.adapters.pickles import (
    PROTO,
    STOP,
    WRAPPER,
    array,
    array_state,
    call,
    dtype,
    name,
    npy,
    number,
    text,
)

Attack = Callable[[bytes], bytes]
_HEAD = 5
_SMALL = dtype("u1")
# A plain class of Python's.
_GRID = name("sklearn.model_selection._search", "ParameterGrid") + b")\x81"


def _as_bytes(hidden: bytes) -> bytes:
    """One text to who reads it; the instructions in it to who takes its head for something else."""
    return b"B" + len(hidden).to_bytes(4, "little") + hidden


def _made_by(made: bytes) -> Attack:
    """joblib finds a wrapper and passes over the head of a text as its array; others see no array."""
    return lambda run: (
        PROTO + array(b"", _SMALL, (_HEAD,), False, made) + _as_bytes(run + b"0") + b"0" + STOP
    )


def _skipped(prepare: bytes, more: bytes = b"") -> Attack:
    """joblib runs what others pass over as an array."""

    def written(run: bytes) -> bytes:
        state = array_state(_SMALL, (len(run) + 1,), more)
        return PROTO + prepare + WRAPPER + b")\x81" + state + b"b" + run + STOP + STOP

    return written


def _changed_type(run: bytes) -> bytes:
    """The type grows by the head of a text, under a name by which it was given away."""
    state = (
        b"(" + number(3) + text("|") + b"NNN" + number(_HEAD + 1) + number(-1) + number(0) + b"t"
    )
    made = call(name("numpy", "dtype"), text("V1"), b"\x89", b"\x88") + b"\x94"
    changed = call(name("numpy", "object_"), b"h\x00") + state + b"b0"
    return (
        PROTO
        + made
        + b"0"
        + changed
        + array(b"\x00" + _as_bytes(run + b"0") + b"0" + STOP, b"h\x00", (1,), False)
    )


def _nested(run: bytes) -> bytes:
    """A pickle inside of an array of objects changes joblib's class for the arrays behind it."""
    changed = WRAPPER + b"N}" + text("read") + name("builtins", "slice") + b"s\x86b0"
    inner = PROTO + changed + call(name("numpy", "float64"), number(1)) + STOP
    outer = array(inner, dtype("O8", flags=63), (1,), False) + b"0"
    return _skipped(outer)(run)


def _type(kind: str, copy: bytes, flags: int) -> bytes:
    made = call(name("numpy", "dtype"), text(kind), b"\x89", copy)
    state = number(3) + text("|") + b"NNN" + number(-1) + number(-1) + number(flags)
    return made + b"(" + state + b"tb"


def _unaligned(run: bytes) -> bytes:
    """joblib begins one byte earlier than who takes the alignment for a number: there, the text has another length."""
    none = call(name("numpy", "object_"), b"N")
    state = array_state(dtype("V4", 4), (1,), text("numpy_array_alignment_bytes") + none)
    skipped = ord("B") - 4
    return (PROTO + WRAPPER + b")\x81" + state + b"b" + bytes(4) + b"C") + (
        _as_bytes(bytes(skipped) + run + b"0") + STOP
    )


_GIVEN_BACK = name("numpy", "max") + b"(](" + WRAPPER + b")\x81etR"
ARRAY_ATTACKS: dict[str, Attack] = {
    "made by copyreg._reconstructor": _made_by(
        call(name("copyreg", "_reconstructor"), WRAPPER, name("builtins", "object"), b"N")
    ),
    "made by copyreg.__newobj__": _made_by(call(name("copyreg", "__newobj__"), WRAPPER)),
    "given back by a function": _made_by(_GIVEN_BACK),
    "put in place by its class": lambda run: (
        PROTO
        + (_GRID + b"(" + array_state(_SMALL, (_HEAD,)) + b"}" + text("__class__"))
        + (WRAPPER + b"stb" + _as_bytes(run + b"0") + b"0" + STOP)
    ),
    "a method of its own": _skipped(b"", text("read") + name("builtins", "slice")),
    "a method of its class": _skipped(
        WRAPPER + b"(N}" + text("read") + name("builtins", "slice") + b"stb0"
    ),
    "a method of its class, in a pickle of its own": _nested,
    "a type that is shared and keeps its flags": lambda run: (
        PROTO + array(_as_bytes(run + STOP) + STOP, _type("u1", b"\x89", 1), (_HEAD,), False) + STOP
    ),
    "a type that grows behind another name": _changed_type,
    "an alignment that is none": _unaligned,
}


def _old_joblib(run: bytes) -> bytes:
    """Its format before 0.10: two letters, a number of 19 characters, and zlib."""
    return b"ZF" + f"{len(run):x}".encode().ljust(19) + zlib.compress(run)


def _lzma(dictionary: int) -> Attack:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary}]
    return lambda run: lzma.compress(PROTO + run + STOP, lzma.FORMAT_ALONE, filters=filters)


def _tar(run: bytes) -> bytes:
    """joblib looks for no tar file, which begins with a name of anybody's choice."""
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    header[:100] = (PROTO + run + STOP).ljust(100, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


CONTAINER_ATTACKS: dict[str, Attack] = {
    "LZMA of a small dictionary": _lzma(4096),
    "LZMA of a larger one": _lzma(1 << 15),
    "joblib's old format": lambda run: _old_joblib(PROTO + run + STOP),
    "an array of a type's long name": lambda run: npy("'object'", PROTO + run + STOP),
    "a tar file": _tar,
    "an array of a list of types": lambda run: npy("'O,O'", PROTO + run + STOP),
}


def tells_an_instance_to_write(path: str) -> bytes:
    """Names of scikit-learn and numpy alone: a stacking calls what it holds by the name that it holds."""
    content = array(b"written", dtype("S7", 7), (1,), False)
    stacking = name("sklearn.ensemble._stacking", "StackingRegressor") + b")\x81\x94}("
    stacking += text("estimators_") + b"](" + content + b"e"
    stacking += text("stack_method_") + b"](" + text("tofile") + b"e"
    stacking += text("final_estimator_") + name("sklearn.linear_model._base", "LinearRegression")
    stacking += b")\x81" + text("estimators") + b"]" + text("passthrough") + b"\x89ub"
    scorer = call(name("sklearn.metrics._scorer", "_PassthroughScorer"), b"h\x00")
    return PROTO + stacking + b"0" + call(scorer, b"h\x00", text(path), b"](K\x00e") + STOP
