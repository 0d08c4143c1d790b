"""What a pickled model may import: what the frameworks that Headrace serves need, and nothing else.

A pickle may call whatever it can name, so a list of what is forbidden is never complete. Of packages named here
classes are allowed, as told by their name; a function needs a line of its own. Left out are whole modules whose
classes do something when they are made or get their state: open files, fetch addresses, or compile text (`scipy.stats`
passes a distribution's state to `exec`).
"""

import re

_CLASS = re.compile(r"_{0,2}[A-Z][A-Za-z0-9_]*")
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
)
# What FunctionTransformer and FeatureAgglomeration are given: they compute numbers of numbers.
_NUMPY_FUNCTIONS = (
    *("abs", "absolute", "arcsinh", "asarray", "cbrt", "ceil", "clip", "cos", "exp", "expm1"),
    *("floor", "log", "log10", "log1p", "log2", "max", "mean", "median", "min", "nan_to_num"),
    *("negative", "reciprocal", "rint", "sign", "sin", "sqrt", "square", "sum", "tanh"),
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
    "pandas._libs.internals": frozenset({"_unpickle_block"}),
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
    "sklearn.feature_selection._mutual_info": frozenset(
        {"mutual_info_classif", "mutual_info_regression"}
    ),
    "sklearn.feature_selection._univariate_selection": frozenset(_SCORES),
    "sklearn.utils._bunch": frozenset({"Bunch"}),
    "torch": frozenset(_TORCH),
    "torch._tensor": frozenset({"_rebuild_from_type_v2"}),
    "torch._utils": frozenset(
        {
            *("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"),
            *("_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_qtensor"),
            *("_rebuild_sparse_tensor", "_rebuild_device_tensor_from_numpy"),
        }
    ),
    "torch.serialization": frozenset({"_get_layout"}),
    "torch.storage": frozenset({"TypedStorage", "UntypedStorage"}),
}
# Functions by which compiled classes of scikit-learn come back; they make that class and nothing else.
_COMPILED = re.compile(r"__pyx_unpickle_\w+|newObj")
# Functions that a search or a selection keeps as its measure.
_MEASURE = re.compile(r"[a-z][a-z0-9_]*_(score|error|loss|kernel|distances)")


def is_allowed(module: str, name: str) -> bool:
    """Whether a pickled model may import `name` of `module`."""
    if name in NAMES.get(module, ()):
        return True
    if not _is_in(module, _CLASSES_OF) or _is_in(module, _LEFT_OUT) or ".tests" in module:
        return False
    if _CLASS.fullmatch(name):
        return True
    if module.startswith("sklearn.metrics.") and _MEASURE.fullmatch(name):
        return True
    return module.startswith("sklearn.") and _COMPILED.fullmatch(name) is not None


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
