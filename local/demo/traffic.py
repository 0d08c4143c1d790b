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

# Enough requests for a verdict within seconds, and few enough to leave the processors to the servers.
CALLERS = 4
PAUSE_SECONDS = 0.04
USERS = 500
# No answer of a sound model takes so long.
SLOW_SECONDS = 0.25


@dataclass(frozen=True)
class Answer:
    """What a user met: when it was sent (seconds since the epoch), how long it took, what was wrong with it."""

    user: int
    sent_at: float
    seconds: float
    failure: str | None = None

    @property
    def is_bad(self) -> bool:
        return self.failure is not None or self.seconds > SLOW_SECONDS


@dataclass
class Answers:
    """All that callers met; `by_model` counts the answers that one model alone gives."""

    all: list[Answer] = field(default_factory=list)
    by_model: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.all)

    @property
    def failures(self) -> list[str]:
        return [answer.failure for answer in self.all if answer.failure is not None]

    @property
    def latencies(self) -> list[float]:
        return [answer.seconds for answer in self.all if answer.failure is None]

    def since(self, index: int) -> "Answers":
        """Those that came after the first `index`."""
        return Answers(all=self.all[index:])

    @property
    def bad(self) -> list[Answer]:
        return sorted((a for a in self.all if a.is_bad), key=lambda answer: answer.sent_at)

    @property
    def share_of_users_harmed(self) -> float:
        """Of the users who asked at all, the share that met a bad answer."""
        users = {answer.user for answer in self.all}
        return len({answer.user for answer in self.bad}) / len(users) if users else 0.0


class LiveTraffic:
    """Sends single rows, for one user after the other, until it is left.

    Every answer must be one of the given models'.
    """

    def __init__(self, url: str, rows: Rows, models: Mapping[str, Sequence[int]]) -> None:
        self._url = url
        self._rows = rows
        self._models = models
        self._stop = threading.Event()
        self._turns = itertools.count()
        self._callers = [threading.Thread(target=self._run, daemon=True) for _ in range(CALLERS)]
        self.answers = Answers()

    def __enter__(self) -> Self:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        for caller in self._callers:
            caller.join()

    def _run(self) -> None:
        with requests.Session() as session:
            while not self._stop.is_set():
                self._ask(session, next(self._turns))
                self._stop.wait(PAUSE_SECONDS)

    def _ask(self, session: requests.Session, turn: int) -> None:
        index, user = turn % len(self._rows), turn % USERS
        sent_at, started = time.time(), time.perf_counter()
        failure = None
        try:
            answer = predict_v2(session, self._url, [self._rows[index]])[0]
        except (requests.RequestException, ValueError, KeyError) as failed:
            failure = f"{type(failed).__name__}: {failed}"
        else:
            failure = self._attribute(index, answer)
        self.answers.all.append(Answer(user, sent_at, time.perf_counter() - started, failure))

    def _attribute(self, index: int, answer: int) -> str | None:
        """Count whose answer it is; what is wrong with it if it is nobody's."""
        said = [name for name, predictions in self._models.items() if predictions[index] == answer]
        if not said:
            return f"row {index}: no model says {answer}"
        if len(said) == 1:
            self.answers.by_model[said[0]] = self.answers.by_model.get(said[0], 0) + 1
        return None
