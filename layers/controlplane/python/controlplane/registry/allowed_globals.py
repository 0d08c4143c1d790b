"""What a pickled model may import: what the frameworks that Headrace serves need, and nothing else.

A pickle may call whatever it can name, so a list of what is forbidden is never complete. Of packages named here
classes are allowed, as told by their name; a function needs a line of its own. Left out are whole modules whose
classes do something when they are made or get their state: open files, fetch addresses, or compile text (`scipy.stats`
passes a distribution's state to `exec`).
"""

import re

_CLASS = re.compile(r"_{0,2}[A-Z][A-Za-z0-9_]*")
# Constants are named like that as well; to change a shared one changes what later code does.
_CONSTANT = re.compile(r"_*[A-Z0-9]+(_[A-Z0-9]+)+|[A-Z]\w*_dtype")
# What modules of scikit-learn hold under a name like that and is no class of its own, or no class.
_NO_CLASSES_OF_ITS_OWN = frozenset(
    {
        *(
            "ABC",
            "ABCMeta",
            "ACTIVATIONS",
            "COEFS",
            "Callable",
            "CallbackSupportMixin",
            "DERIVATIVES",
        ),
        *("EPS", "EPSILON", "Integral", "Iterable", "LAMBDAS", "LinAlgError", "List"),
        *("Mapping", "MutableMapping", "NodeData", "NodeHeapData", "Number", "Parallel", "Path"),
        *("Queue", "Real", "SENTINEL", "Sequence", "SparseEfficiencyWarning", "StringIO", "Thread"),
        *("_EPSILON", "_LINKS", "_LOSSES", "_SCORERS", "__ALL__"),
    }
)
_CLASSES_OF = (
    "catboost.core",
    "imblearn",
    "lightgbm.basic",
    "lightgbm.sklearn",
    "numpy.dtypes",
    "sklearn",
    "torch.nn",
    "torchvision.models",
    "torchvision.ops",
    "xgboost.core",
    "xgboost.sklearn",
)
_LEFT_OUT = (
    "imblearn.datasets",
    "sklearn._cyutility",
    "sklearn.callback",
    "sklearn.conftest",
    "sklearn.datasets",
    "sklearn.externals",
    "sklearn.experimental",
    "sklearn.utils",
    "torch.nn.parallel",
)
_PLAIN = (
    *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
    *("object", "range", "set", "slice", "str", "tuple"),
)
_TORCH = (
    *("BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage"),
    *("ComplexFloatStorage", "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage"),
    *("LongStorage", "QInt32Storage", "QInt8Storage", "QUInt2x4Storage", "QUInt4x2Storage"),
    *("QUInt8Storage", "ShortStorage", "UntypedStorage", "Size", "Tensor", "device", "bfloat16"),
    *("bool", "complex128", "complex64", "float16", "float32", "float64", "int16", "int32"),
    *("int64", "int8", "uint8", "per_channel_affine", "per_tensor_affine", "strided"),
)
_NUMPY = (
    *("bool", "bool_", "complex128", "complex64", "dtype", "float16", "float32", "float64"),
    *("int16", "int32", "int64", "int8", "intc", "longlong", "longdouble", "ndarray", "object_"),
    *("str_", "bytes_", "uint16", "uint32", "uint64", "uint8", "uintc", "ulonglong", "void"),
    *("datetime64", "timedelta64"),
    # What a column selector is given.
    *("floating", "generic", "integer", "number"),
)
# What FunctionTransformer and FeatureAgglomeration are given: they compute numbers of numbers.
_NUMPY_FUNCTIONS = (
    *("abs", "absolute", "arcsinh", "asarray", "cbrt", "ceil", "clip", "cos", "exp", "expm1"),
    *("floor", "log", "log10", "log1p", "log2", "max", "mean", "median", "min", "nan_to_num"),
    *("negative", "power", "reciprocal", "rint", "sign", "sin", "sqrt", "square", "sum", "tanh"),
)
_SCORES = ("chi2", "f_classif", "f_oneway", "f_regression", "r_regression")
_SPARSE = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
NAMES: dict[str, frozenset[str]] = {
    "__builtin__": frozenset({*_PLAIN, "long", "unicode", "xrange"}),
    "builtins": frozenset(_PLAIN),
    "_codecs": frozenset({"encode"}),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "copy_reg": frozenset({"_reconstructor", "__newobj__", "__newobj_ex__"}),
    "copyreg": frozenset({"_reconstructor", "__newobj__", "__newobj_ex__"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    # Of check_array alone, which those who read a pickle see to.
    "functools": frozenset({"partial"}),
    "joblib.numpy_pickle": frozenset({"NumpyArrayWrapper"}),
    "numpy": frozenset({*_NUMPY, *_NUMPY_FUNCTIONS}),
    **{
        f"numpy.{core}.multiarray": frozenset({"_reconstruct", "scalar"})
        for core in ("core", "_core")
    },
    **{f"numpy.{core}.numeric": frozenset({"_frombuffer"}) for core in ("core", "_core")},
    "numpy.ma": frozenset({"MaskedArray"}),
    "numpy.ma.core": frozenset({"MaskedArray", "_mareconstruct", "MaskedConstant"}),
    "numpy.random": frozenset({"Generator", "RandomState"}),
    "numpy.random._pickle": frozenset(
        {"__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"}
    ),
    **{
        f"numpy.random._{name}": frozenset({kind})
        for name, kind in (("mt19937", "MT19937"), ("pcg64", "PCG64"), ("philox", "Philox"))
    },
    "numpy.random.bit_generator": frozenset({"SeedSequence", "__pyx_unpickle_SeedSequence"}),
    "pandas._libs.arrays": frozenset({"__pyx_unpickle_NDArrayBacked"}),
    "pandas._libs.internals": frozenset({"_unpickle_block"}),
    "pandas._libs.tslibs.timestamps": frozenset({"_unpickle_timestamp"}),
    "pandas.core.arrays.datetimes": frozenset({"DatetimeArray"}),
    "pandas.core.arrays.categorical": frozenset({"Categorical"}),
    "pandas.core.dtypes.dtypes": frozenset({"CategoricalDtype"}),
    "pandas.core.frame": frozenset({"DataFrame"}),
    "pandas.core.indexes.base": frozenset({"Index", "_new_Index"}),
    "pandas.core.indexes.range": frozenset({"RangeIndex"}),
    "pandas.core.internals.managers": frozenset({"BlockManager", "SingleBlockManager"}),
    "pandas.core.series": frozenset({"Series"}),
    "scipy.interpolate._bsplines": frozenset({"BSpline"}),
    "scipy.interpolate._interpolate": frozenset({"interp1d", "PPoly"}),
    "scipy.optimize._optimize": frozenset({"OptimizeResult"}),
    "scipy.spatial._ckdtree": frozenset({"cKDTree"}),
    "scipy.spatial._kdtree": frozenset({"KDTree"}),
    **{
        f"scipy.sparse.{prefix}{kind}": frozenset({f"{kind}_matrix", f"{kind}_array"})
        for kind in _SPARSE
        for prefix in ("", "_")
    },
    "scipy._lib.array_api_compat.numpy._aliases": frozenset({"asarray"}),
    "sklearn.cluster._kmeans": frozenset({"_kmeans_single_elkan", "_kmeans_single_lloyd"}),
    "sklearn.compose._column_transformer": frozenset({"make_column_selector"}),
    "sklearn.feature_selection._mutual_info": frozenset(
        {"mutual_info_classif", "mutual_info_regression"}
    ),
    "sklearn.feature_selection._univariate_selection": frozenset(_SCORES),
    "sklearn.utils._bunch": frozenset({"Bunch"}),
    "sklearn.utils._metadata_requests": frozenset({"MetadataRequest", "MethodMetadataRequest"}),
    "sklearn.utils.validation": frozenset({"check_array"}),
    "torch": frozenset(_TORCH),
    "torch._tensor": frozenset({"_rebuild_from_type_v2"}),
    "torch._utils": frozenset(
        {
            *("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"),
            *("_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_qtensor"),
            *("_rebuild_sparse_tensor", "_rebuild_device_tensor_from_numpy"),
        }
    ),
    # What TorchScript's pickles name; torch reads them in C++, by these names alone.
    "torch.jit._pickle": frozenset(
        {
            *("build_boollist", "build_doublelist", "build_intlist", "build_tensorlist"),
            "restore_type_tag",
        }
    ),
    "torch.serialization": frozenset({"_get_layout"}),
    "torch.storage": frozenset({"TypedStorage", "UntypedStorage"}),
    "xgboost.callback": frozenset({"EarlyStopping"}),
}
# The classes of a TorchScript archive, whose code lies beside them. There is no such module of Python's.
_TORCHSCRIPT = "__torch__"
# Functions by which compiled classes of scikit-learn come back; they make that class and nothing else.
_COMPILED = re.compile(r"__pyx_unpickle_\w+|newObj")
# Others that make an instance of what they are called after, or of the class that they are given.
_CONSTRUCTOR = re.compile(r"_reconstruct|_mareconstruct|__\w+_ctor|__pyx_unpickle_\w+|newObj")
# Classes of small letters.
_SMALL_CLASSES = frozenset({"cKDTree", "interp1d", "make_column_selector", "partial"})
_CONTAINERS = frozenset({"bytearray", "dict", "list", "set"})
# Functions that a search or a selection keeps as its measure.
_MEASURE = re.compile(r"[a-z][a-z0-9_]*_(score|error|loss|kernel|distances)")


def is_allowed(module: str, name: str) -> bool:
    """Whether a pickled model may import `name` of `module`."""
    if name in NAMES.get(module, ()):
        return True
    if _is_in(module, (_TORCHSCRIPT,)):
        return name.isidentifier()
    if not _is_in(module, _CLASSES_OF) or _is_in(module, _LEFT_OUT) or ".tests" in module:
        return False
    if _is_class(name):
        return True
    if module.startswith("sklearn.metrics.") and _MEASURE.fullmatch(name):
        return True
    return module.startswith("sklearn.") and _COMPILED.fullmatch(name) is not None


def _is_class(name: str) -> bool:
    """As far as a name tells."""
    if name in _NO_CLASSES_OF_ITS_OWN or _CONSTANT.fullmatch(name):
        return False
    return _CLASS.fullmatch(name) is not None


def takes_state(module: str, name: str) -> bool:
    """Whether what is made by an allowed import is new and may get a state.

    What a function returns may be what it was given; so may numpy's `object_` and the plain types.
    """
    if _CONSTRUCTOR.fullmatch(name) or name in _SMALL_CLASSES:
        return True
    if module == "numpy":
        return name in ("dtype", "ndarray")
    if module in ("builtins", "__builtin__") or _is_in(module, ("numpy.dtypes",)):
        return False
    return _CLASS.fullmatch(name) is not None or module.startswith(("scipy.sparse.", _TORCHSCRIPT))


def is_called(module: str, name: str) -> bool:
    """Whether a framework's pickle calls an allowed import, and does not merely hold it for the model to use.

    numpy's functions call methods of what they are given: `numpy.clip(x, …)` is `x.clip(…)`.
    """
    if _CONSTRUCTOR.fullmatch(name) or name in _SMALL_CLASSES:
        return True
    if module == "numpy":
        return name not in _NUMPY_FUNCTIONS
    if _is_in(module, ("sklearn", "scipy._lib")):
        return _CLASS.fullmatch(name) is not None
    return True


def is_of_plain_values(module: str, name: str) -> bool:
    """Whether an allowed import is called with values, and asks what else it is given for its items or its text."""
    if module == "numpy":
        return name not in ("dtype", "ndarray")
    return module in ("builtins", "__builtin__", "_codecs", "collections", "decimal", "fractions")


def is_container(module: str, name: str) -> bool:
    """Whether what an allowed import makes takes items as lists, sets and dicts do, and does nothing else with them."""
    if module in ("builtins", "__builtin__"):
        return name in _CONTAINERS
    return module == "collections" or name == "Bunch"


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
