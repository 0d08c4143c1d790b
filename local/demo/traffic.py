"""Callers who go on asking a deployment, whatever happens behind it."""

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import requests

from local.demo.prediction import Rows, predict_v2

# Enough to meet every moment of a rollout, and little enough to leave the processors to it.
PAUSE_SECONDS = 0.02


@dataclass
class Answers:
    """What callers met: `latencies` in seconds, `failures` as people would see them."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    by_model: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.latencies) + len(self.failures)


class LiveTraffic:
    """Sends single rows one after the other until it is left; every answer must be one of the given models'."""

    def __init__(self, url: str, rows: Rows, models: Mapping[str, Sequence[int]]) -> None:
        self._url = url
        self._rows = rows
        self._models = models
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answers = Answers()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with requests.Session() as session:
            for index in itertools.cycle(range(len(self._rows))):
                if self._stop.is_set():
                    return
                self._ask(session, index)
                self._stop.wait(PAUSE_SECONDS)

    def _ask(self, session: requests.Session, index: int) -> None:
        started = time.perf_counter()
        try:
            answer = predict_v2(session, self._url, [self._rows[index]])[0]
        except (requests.RequestException, ValueError, KeyError) as failed:
            self.answers.failures.append(f"{type(failed).__name__}: {failed}")
            return
        self.answers.latencies.append(time.perf_counter() - started)
        said = [name for name, predictions in self._models.items() if predictions[index] == answer]
        if not said:
            self.answers.failures.append(f"row {index}: no model says {answer}")
        elif len(said) == 1:
            self.answers.by_model[said[0]] = self.answers.by_model.get(said[0], 0) + 1
