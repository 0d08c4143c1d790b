"""Models for the tests, trained by the environment that serves them."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3]
SERVING_PYTHON = PROJECT / ".venvs/serving/bin/python"

TRAIN = """
import json, sys
from pathlib import Path
import joblib
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

folder = Path(sys.argv[1])
digits, iris = load_digits(), load_iris()
images = digits.data / 16
classifiers = {
    "digits": (LogisticRegression(max_iter=500).fit(images[:1500], digits.target[:1500]), images),
    "digits-tree": (
        DecisionTreeClassifier(max_depth=4, random_state=0).fit(images[:1500], digits.target[:1500]),
        images,
    ),
    "iris": (
        DecisionTreeClassifier(random_state=0).fit(iris.data, iris.target_names[iris.target]),
        iris.data,
    ),
}
for name, (classifier, rows) in classifiers.items():
    joblib.dump(classifier, folder / f"{name}.joblib")
    sample = rows[-40:]
    answers = {"rows": sample.tolist(), "predictions": classifier.predict(sample).tolist()}
    (folder / f"{name}.json").write_text(json.dumps(answers))
"""


@dataclass(frozen=True)
class TrainedModel:
    """A model file, rows it was not fitted to, and the model's own answers to them."""

    file: Path
    rows: list[list[float]]
    predictions: list[Any]


def environment_without_bytecode_ban() -> dict[str, str]:
    """This process's environment; servers without compiled bytecode start ten times slower."""
    return {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}


def train(folder: Path) -> dict[str, TrainedModel]:
    """Train `digits`, `digits-tree` (numbers) and `iris` (string classes) into `folder`."""
    subprocess.run(
        [SERVING_PYTHON, "-c", TRAIN, folder],
        check=True,
        timeout=120,
        env=environment_without_bytecode_ban(),
    )
    models = {}
    for file in folder.glob("*.joblib"):
        answers = json.loads(file.with_suffix(".json").read_text())
        models[file.stem] = TrainedModel(file, answers["rows"], answers["predictions"])
    return models
