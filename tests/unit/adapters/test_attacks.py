"""The scanner against those who know how it reads: what it believes to see is what a loader does."""

import io
import pickle

import pytest

from controlplane.adapters.picklescan_scanner import PicklescanScanner
from controlplane.registry.allowed_globals import is_allowed, takes_state
from controlplane.registry.scan import Scan, ScanState
from tests.unit.adapters.attacks import (
    ARRAY_ATTACKS,
    CONTAINER_ATTACKS,
    Attack,
    tells_an_instance_to_write,
)
from tests.unit.adapters.pickles import (
    PROTO,
    STOP,
    WRAPPER,
    array,
    array_state,
    call,
    dtype,
    name,
    number,
    system,
    text,
    zipped,
)

ATTACKS = ARRAY_ATTACKS | CONTAINER_ATTACKS
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
ESTIMATOR = name("sklearn.linear_model._base", "LinearRegression") + b")\x81"
LINEAR = name("torch.nn.modules.linear", "Linear")
PARTIAL = name("functools", "partial")
CHECK_ARRAY = name("sklearn.utils.validation", "check_array")


def scan(content: bytes, model_format: str = "sklearn", path: str = "model.joblib") -> Scan:
    return PicklescanScanner().scan(path, model_format, io.BytesIO(content))


def told(found: Scan) -> list[str]:
    return [finding.detail for finding in found.findings]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_what_joblib_or_numpy_would_run_is_unsafe(attack: Attack) -> None:
    assert scan(attack(system()), path="m.npy").state is ScanState.UNSAFE


def test_nothing_that_was_made_is_called() -> None:
    assert told(scan(tells_an_instance_to_write("/x"))) == ["it calls what it has made"]


def test_torch_cannot_hand_on_joblibs_wrapper() -> None:
    held = call(name("collections", "deque")) + WRAPPER + b"a"
    made = call(
        *(name("torch._tensor", "_rebuild_from_type_v2"), name("copyreg", "__newobj__")),
        *(name("torch", "Tensor"), held, b"N"),
    )

    assert told(scan(PROTO + made + STOP)) == ["it hands on how arrays are made"]


# Where the loader goes on and the scanner stops, more must not follow.
STOPS = PROTO + LINEAR + b"N}" + text("x") + b"Ns\x86b" + system() + STOP
TORCH = {
    "behind a number": MAGIC + pickle.dumps(1001) + PROTO + LINEAR + STOP + STOPS,
    "as the model": MAGIC + pickle.dumps(1001) + pickle.dumps({}) + STOPS,
    "cut off": MAGIC + pickle.dumps(1001) + pickle.dumps({}) + PROTO + LINEAR + b"\x00",
}


@pytest.mark.parametrize("content", TORCH.values(), ids=list(TORCH))
def test_what_follows_in_an_old_file_of_torchs_is_data_only_behind_all_its_pickles(
    content: bytes,
) -> None:
    assert scan(content, "pytorch", "m.pt").state is ScanState.UNSAFE


def fields(flags: int, *of: bytes, step: int = 8) -> bytes:
    """A type of a record with fields `a`, `b`, …, of 16 bytes."""
    made = call(name("numpy", "dtype"), text("V16"), b"\x89", b"\x88")
    names = [text(chr(ord("a") + n)) for n in range(len(of))]
    each = enumerate(zip(names, of, strict=True))
    parts = b"".join(one + kind + number(n * step) + b"\x86" for n, (one, kind) in each)
    state = number(3) + text("|") + b"N(" + b"".join(names) + b"t}(" + parts + b"u"
    return made + b"(" + state + number(16) + number(1) + number(flags) + b"tb"


LIES = {
    "objects without their flag": dtype("O8"),
    "a flag without objects": dtype("f8", flags=1),
    "fields of objects without their flag": fields(0, dtype("O8", flags=63)),
    "a flag without fields of objects": fields(1, dtype("f8"), dtype("f8")),
    "fields in the place of objects": fields(27, dtype("O8", flags=63), dtype("f8"), step=0),
    "fields beyond the element": fields(0, dtype("f8"), dtype("f8"), step=12),
    "fields before the element": fields(0, dtype("f8"), dtype("f8"), step=-8),
    "a text of no size": dtype("S5", -1),
    "a state that is changed": dtype("f8")
    + b"("
    + number(3)
    + text("|")
    + b"NNN"
    + number(-1)
    + number(-1)
    + number(0)
    + b"tb",
    "a copy with more": call(name("numpy", "dtype"), text("f8"), b"\x89", b"\x88", b"N")
    + dtype("f8")[dtype("f8").index(b"R") + 1 :],
    "another version": dtype("f8").replace(number(3), number(2)),
    "a copy of nothing": call(name("numpy", "dtype"), text("f8"), b"\x89", b"\x89"),
    "more than numpy is given": call(name("numpy", "dtype"), text("f8")),
    "a type of a type": call(name("numpy", "dtype"), dtype("f8"), b"\x89", b"\x88"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=list(LIES))
def test_a_type_that_numpy_understands_otherwise_is_unsafe(lie: bytes) -> None:
    content = array(pickle.dumps([1]), lie, (1,), aligned=False)

    [found] = told(scan(PROTO + content + STOP))
    assert found.startswith("an array's type")


def test_records_of_objects_are_followed() -> None:
    of_objects = fields(27, dtype("f8"), dtype("O8", flags=63))
    sound = array(pickle.dumps([1]), of_objects, (1,), False)
    attack = array(PROTO + system() + STOP, of_objects, (1,), False)

    assert scan(PROTO + sound + STOP).state is ScanState.CLEAN
    assert told(scan(PROTO + attack + STOP)) == ["os.system"]


def test_a_wrapper_is_made_whole_and_once() -> None:
    state = array_state(dtype("f8"), (1,))
    twice = PROTO + WRAPPER + b")\x81\x94" + state + b"b" + bytes(8) + b"0h\x00" + state + b"b"

    assert scan(twice + bytes(8) + STOP).state is ScanState.UNSAFE


def partial(state: bytes, of: bytes = CHECK_ARRAY) -> bytes:
    return PROTO + call(PARTIAL, of) + state + b"b" + STOP


KEPT = b"(" + CHECK_ARRAY + b")}(" + text("dtype") + b"](" + name("numpy", "float64") + b"e"
KEPT += text("ensure_all_finite") + b"\x89uNt"
PARTIALS = {
    "of another function": partial(KEPT, name("numpy", "log")),
    "of a command": partial(KEPT, name("os", "system")),
    "that becomes another": partial(b"(" + name("numpy", "log") + b")}Nt"),
    "with arguments": partial(b"(" + CHECK_ARRAY + b"K\x01\x85}Nt"),
    "with something to do": partial(
        b"(" + CHECK_ARRAY + b")}" + text("estimator") + call(name("collections", "deque")) + b"sNt"
    ),
    "with attributes": partial(b"(" + CHECK_ARRAY + b")N}" + text("x") + b"K\x01st"),
    "handed on": PROTO + PARTIAL + b"\x85" + STOP,
    "that is called": PROTO + call(call(PARTIAL, CHECK_ARRAY), b"N") + STOP,
}


@pytest.mark.parametrize("content", PARTIALS.values(), ids=list(PARTIALS))
def test_partial_is_of_check_array_alone(content: bytes) -> None:
    assert scan(content).state is ScanState.UNSAFE


def test_partial_of_check_array_is_clean() -> None:
    assert scan(partial(KEPT)).state is ScanState.CLEAN


FILLED = {
    "a data frame": name("pandas.core.frame", "DataFrame") + b")\x81" + text("a") + b"Ns",
    "an estimator": name("sklearn.base", "BaseEstimator") + b")\x81Na",
    "a distance": name("sklearn.metrics._dist_metrics", "newObj") + b")RNNs",
}


@pytest.mark.parametrize("filled", FILLED.values(), ids=list(FILLED))
def test_only_containers_are_filled(filled: bytes) -> None:
    """A data frame calls what it is given as a key."""
    assert told(scan(PROTO + filled + STOP)) == ["it fills what is no container"]


def test_a_state_is_set_only_where_something_new_was_made() -> None:
    for module, one in (
        ("numpy", "object_"),
        ("numpy", "max"),
        ("builtins", "slice"),
        ("numpy.dtypes", "VoidDType"),
        ("torch.jit._pickle", "restore_type_tag"),
    ):
        assert is_allowed(module, one)
        assert not takes_state(module, one)
        content = PROTO + name(module, one) + b")R}b" + STOP
        assert told(scan(content)) == ["it changes what a function has returned"]
    assert takes_state("sklearn.linear_model._base", "LinearRegression")


def test_a_state_is_plain_data_and_changes_no_class() -> None:
    held = call(name("collections", "OrderedDict"))

    assert told(scan(PROTO + ESTIMATOR + held + b"b" + STOP)) == [
        "it sets a state that is no plain data"
    ]
    changed = ARRAY_ATTACKS["a method of its class"](system())
    assert told(scan(changed)) == ["it changes what it imports"]


CALLS = {
    "a method by numpy's function of its name": call(name("numpy", "clip"), ESTIMATOR, b"K\x01"),
    "a measure": call(name("sklearn.metrics._classification", "f1_score"), b"]", b"]"),
    "check_array": call(CHECK_ARRAY, ESTIMATOR),
    "what a list asks for items": call(name("builtins", "list"), ESTIMATOR),
    "what a text is made of": call(name("numpy", "str_"), ESTIMATOR),
    "what copyreg makes a text of": call(
        name("copyreg", "__newobj__"), name("numpy", "str_"), ESTIMATOR
    ),
    "what copyreg makes a list of": call(
        *(name("copyreg", "_reconstructor"), name("sklearn.utils._bunch", "Bunch")),
        *(name("builtins", "dict"), ESTIMATOR),
    ),
    "what copyreg makes of a tuple": call(
        *(name("copyreg", "__newobj_ex__"), name("builtins", "tuple"), ESTIMATOR + b"\x85}"),
    ),
    "a type that gives back what it is given": call(name("numpy", "object_"), ESTIMATOR),
    "what a generator is made by": call(
        name("numpy.random._pickle", "__generator_ctor"), text("x"), ESTIMATOR
    ),
    "what a tensor is made by": call(
        *(name("torch._tensor", "_rebuild_from_type_v2"), ESTIMATOR, name("torch", "Tensor")),
        *(b")", b"N"),
    ),
}


@pytest.mark.parametrize("content", CALLS.values(), ids=list(CALLS))
def test_what_a_model_only_holds_is_not_called_while_it_is_loaded(content: bytes) -> None:
    found = scan(PROTO + content + STOP)

    assert [one.startswith(("it calls", "it lets")) for one in told(found)] == [True]


def test_containers_may_hold_what_was_made() -> None:
    value = call(name("numpy", "float64"), number(1))
    counted = call(name("collections", "Counter"), b"}" + text("a") + value + b"s")
    seen = call(name("builtins", "set"), b"]" + value + b"a")
    bunch = call(
        *(name("copyreg", "_reconstructor"), name("sklearn.utils._bunch", "Bunch")),
        *(name("builtins", "dict"), b"}"),
    )
    filled = bunch + text("a") + value + b"s}b"

    assert scan(PROTO + counted + seen + filled + b"\x87" + STOP).state is ScanState.CLEAN


def test_a_torch_archive_is_one_folder_with_its_pickle() -> None:
    """Beside other folders a manifest may name anything."""
    attack, data = PROTO + system() + STOP, pickle.dumps({})
    archive = zipped(
        a__data_pkl=data, a__data__1=attack, **{"MAR-INF__MANIFEST_json": b'{"model": {}}'}
    )
    deeper = zipped(a__b__data_pkl=data, a__b__data__1=attack)

    for content in (archive, deeper):
        assert told(scan(content, "pytorch", "model-store/digits.mar")) == ["os.system"]
    assert scan(zipped(a__data_pkl=data, a__data__1=attack), "pytorch").state is ScanState.CLEAN


def test_torchscript_is_clean() -> None:
    """Its classes exist in torch's reader in C++ alone, with their code beside them."""
    net = name("__torch__.___torch_mangle_0", "Net") + b")\x81}" + text("training") + b"\x89sb"
    lists = call(name("torch.jit._pickle", "build_intlist"), b"](K\x01K\x02e")
    archive = zipped(
        net__data_pkl=PROTO + net + lists + b"\x86" + STOP,
        net__code____torch_____torch_mangle_0_py=b"class Net(Module):\n  training : bool\n",
        net__constants_pkl=b"\x80\x02).",
        net__version=b"3\n",
    )

    assert scan(archive, "pytorch", "model.pt").state is ScanState.CLEAN
    assert not is_allowed("__torch__", "os.system")
    assert not is_allowed("__torch__x", "Net")
