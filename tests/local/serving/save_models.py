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
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
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
        "times": np.array(["2020-01-01"], dtype="M8[D]"),
        "columns": np.asfortranarray(np.ones((3, 4))),
        "generators": [np.random.default_rng(1), np.random.RandomState(1), np.float64(2)],
    }
    models = {name: model.fit(rows, classes) for name, model in fitted.items()}
    return models | {"text": text, "arrays": arrays}


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
    for name, model in combined(rows, classes).items():
        save(folder, name, model)
    np.save(folder / "objects.npy", np.array([1, None], dtype=object))
    np.savez(folder / "arrays.npz", a=rows, b=np.array([None, 2], dtype=object))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
