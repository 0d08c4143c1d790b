"""Trains the demo's two classifiers on scikit-learn's handwritten digits. Runs in the model servers' environment.

    python -m local.serving.train_digits FOLDER

Writes FOLDER/{first,second}/model.joblib and FOLDER/training.json: the held-out rows and labels, and for each
model its own predictions and accuracy on them.
"""

import json
import sys
from pathlib import Path

import joblib
import sklearn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

HELD_OUT = 0.25
SEED = 7


def main(folder: Path) -> None:
    data, labels = load_digits(return_X_y=True)
    train_rows, rows, train_labels, held_out_labels = train_test_split(
        data, labels, test_size=HELD_OUT, random_state=SEED, stratify=labels
    )
    candidates = {
        "first": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
        "second": SVC(gamma=0.001),
    }
    models = {}
    for name, candidate in candidates.items():
        candidate.fit(train_rows, train_labels)
        target = folder / name / "model.joblib"
        target.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(candidate, target)
        models[name] = {
            "file": str(target),
            "predictions": [int(label) for label in candidate.predict(rows)],
            "accuracy": float(candidate.score(rows, held_out_labels)),
        }
    described = {
        "framework_version": sklearn.__version__,
        "rows": rows.tolist(),
        "labels": held_out_labels.tolist(),
        "models": models,
    }
    (folder / "training.json").write_text(json.dumps(described))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
