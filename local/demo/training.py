"""The models that the demo uploads, trained in an environment of their own."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.demo.errors import DemoError
from local.settings import Settings


class TrainingError(DemoError):
    """The trainer failed; the message ends with what it said last."""


@dataclass(frozen=True)
class TrainedModel:
    """A model's file and what the model itself says of the held-out rows."""

    file: Path
    predictions: list[int]
    accuracy: float


@dataclass(frozen=True)
class Training:
    """Two models of one data set; `rows` and `labels` were held out from both."""

    framework_version: str
    rows: list[list[float]]
    labels: list[int]
    first: TrainedModel
    second: TrainedModel


def train(settings: Settings) -> Training:
    """Train both models in the model servers' environment. Raises TrainingError."""
    folder = settings.state / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    python = settings.project / ".venvs" / "serving" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-m", "local.serving.train_digits", str(folder)],
        cwd=settings.project,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TrainingError(f"the training failed:\n{done.stderr.strip()[-2000:]}")
    described = json.loads((folder / "training.json").read_text())
    models = {
        name: TrainedModel(Path(model["file"]), model["predictions"], model["accuracy"])
        for name, model in described["models"].items()
    }
    return Training(
        framework_version=described["framework_version"],
        rows=described["rows"],
        labels=described["labels"],
        first=models["first"],
        second=models["second"],
    )
