"""Saves models in every way that people do, for the scanner: `<serving python> save_models.py <folder>`.

Every estimator of scikit-learn that fits the iris data as it is, and some that others are put together of.
"""

import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

COMPRESSIONS = ("zlib", "gzip", "bz2", "xz", "lzma")


def combined(rows: Any, classes: Any) -> dict[str, Any]:
    columns = [("scaled", StandardScaler(), [0, 1]), ("encoded", OneHotEncoder(), [2])]
    estimators = [("svc", SVC()), ("forest", RandomForestClassifier(5))]
    fitted = {
        "columns": make_pipeline(ColumnTransformer(columns), LogisticRegression()),
        "search": GridSearchCV(LogisticRegression(), {"C": [1, 2]}, scoring="f1_macro"),
        "voting": VotingClassifier(estimators),
        "stacking": StackingClassifier(estimators),
        "calibrated": CalibratedClassifierCV(SVC()),
        "rest": OneVsRestClassifier(SVC()),
        "function": make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
        "forest": RandomForestClassifier(100),
    }
    text = make_pipeline(TfidfVectorizer(), SGDClassifier()).fit(["a bb", "cc d"], [0, 1])
    arrays = {
        "objects": np.array(["a", None, {"x": 1}], dtype=object),
        "texts": np.array(["ab", "c"]),
        "records": np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        "records of objects": np.array([(1, "x")], dtype=[("a", "i4"), ("b", "O", (1,))]),
        "times": np.array(["2020-01-01"], dtype="M8[D]"),
        "columns": np.asfortranarray(np.ones((3, 4))),
        "generators": [np.random.default_rng(1), np.random.RandomState(1), np.float64(2)],
    }
    models = {name: model.fit(rows, classes) for name, model in fitted.items()}
    return models | {"text": text, "arrays": arrays}


def of_tables(rows: Any, classes: Any) -> dict[str, Any]:
    """As the user guide fits them: to data frames, with columns chosen by type and requests for weights."""
    table = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
    table["kind"] = pd.Categorical(np.array(["x", "y"])[np.arange(len(table)) % 2])
    numbers = make_column_selector(dtype_include=np.number)
    kinds = make_column_selector(dtype_include="category")
    columns = [("numbers", StandardScaler(), numbers), ("kinds", OneHotEncoder(), kinds)]
    boosting = HistGradientBoostingClassifier(max_iter=3, categorical_features=[4])
    fitted = {
        "selected": make_pipeline(ColumnTransformer(columns), LogisticRegression()),
        "categories": HistGradientBoostingRegressor(max_iter=3, categorical_features=["kind"]),
        "categories-by-type": HistGradientBoostingClassifier(max_iter=3),
    }
    models = {name: model.fit(table, classes) for name, model in fitted.items()}
    models["categories-by-number"] = boosting.fit(np.column_stack([rows, classes]), classes)
    models["threshold"] = TunedThresholdClassifierCV(LogisticRegression()).fit(rows, classes > 0)
    models["power"] = FunctionTransformer(np.power, kw_args={"x2": 2}).fit(rows)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = LogisticRegression().set_fit_request(sample_weight=True)
        models["routed"] = routed.fit(rows, classes)
    trained = pd.Timestamp("2026-11-21")
    table["when"] = trained
    return models | {"bundle": {"model": models["routed"], "trained": trained, "sample": table}}


def save(folder: Path, name: str, model: Any) -> None:
    """By joblib and by pickle, in every protocol that Python 3 reads and every compression."""
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        joblib.dump(model, folder / f"{name}-{protocol}.joblib", protocol=protocol)
        (folder / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
    for compression in COMPRESSIONS:
        joblib.dump(model, folder / f"{name}-{compression}.joblib", compress=(compression, 3))


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    rows, classes = (values[::3] for values in load_iris(return_X_y=True))
    for name, estimator in all_estimators():
        try:
            model = estimator().fit(rows, classes)
        except (AttributeError, TypeError, ValueError):
            continue  # needs arguments or other data
        joblib.dump(model, folder / f"{name}.joblib")
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
    for name, model in (combined(rows, classes) | of_tables(rows, classes)).items():
        save(folder, name, model)
    np.save(folder / "objects.npy", np.array([1, None], dtype=object))
    np.savez(folder / "arrays.npz", a=rows, b=np.array([None, 2], dtype=object))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
