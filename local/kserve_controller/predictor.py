"""The replicas of one predictor: started, restarted with backoff, and replaced without a gap.

Knows processes and clocks but no Kubernetes. Times are seconds of a monotonic clock.
"""

import math
import secrets
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime

from local.kserve_controller.pods import Pod, Termination
from local.kserve_controller.processes import ServerProcess
from local.kserve_controller.specification import Key, PodTemplate
from local.kserve_controller.usage import cpu_seconds

CANNOT_EXECUTE = 126

# Starts a server for a pod: (pod name, template, callback on changes) -> the process.
Launch = Callable[[str, PodTemplate, Callable[[], None]], ServerProcess]


@dataclass(frozen=True)
class RestartPolicy:
    """How often a server that ended is started again, and when.

    The n-th wait is `backoff * 2**(n-1)` seconds, at most `longest`; a server that was ready for
    `stable_after` seconds starts counting anew. `drain` is the time a replaced server goes on
    serving, so that whoever routes to it has read the new endpoints.
    """

    limit: int = 5
    backoff: float = 2.0
    longest: float = 60.0
    stable_after: float = 30.0
    drain: float = 2.0

    def delay(self, failures: int) -> float:
        """Seconds before the start that follows `failures` failures in a row."""
        if failures == 0:
            return 0.0
        return float(min(self.backoff * 2 ** (failures - 1), self.longest))


class Replica:
    """One pod: a name, a template and a succession of server processes."""

    def __init__(self, name: str, template: PodTemplate, launch: Launch, policy: RestartPolicy):
        self.name = name
        self.template = template
        self.retiring = False
        self._drained_at: float | None = None
        self._launch = launch
        self._policy = policy
        self._created_at = datetime.now(UTC)
        self._process: ServerProcess | None = None
        self._next_start = 0.0
        self._failures = 0
        self._restarts = -1
        self._ready_since: float | None = None
        self._was_ready = False
        self._exhausted = False
        self._last_termination: Termination | None = None

    @property
    def ready(self) -> bool:
        return self._process is not None and self._process.ready

    @property
    def exhausted(self) -> bool:
        return self._exhausted

    @property
    def cpu_seconds(self) -> float | None:
        """The processor time that the running server has used so far; None when unknown."""
        return None if self._process is None else cpu_seconds(self._process.pid)

    @property
    def gone(self) -> bool:
        """Whether the replica is retired and its process has ended."""
        return self.retiring and self._process is None

    def snapshot(self) -> Pod:
        running = self._process is not None and self._process.termination is None
        return Pod(
            name=self.name,
            template=self.template.digest,
            port=self._process.port if self._process else None,
            created_at=self._created_at,
            running=running,
            ready=running and self.ready,
            was_ready=self._was_ready,
            retiring=self.retiring,
            exhausted=self._exhausted,
            restarts=max(self._restarts, 0),
            last_termination=self._last_termination,
        )

    def advance(self, now: float, changed: Callable[[], None]) -> float | None:
        """Do what is due; returns when to look again, or None when only an event can change it."""
        self._note_readiness(now)
        self._note_end(now)
        if self.retiring:
            return self._drain(now)
        if self._process is None and not self._exhausted:
            if now < self._next_start:
                return self._next_start
            self._start(now, changed)
        return None

    def retire(self) -> None:
        """Take the replica out of service; a server that serves drains once that is published."""
        if not self.retiring:
            self.retiring = True
            if not self.ready:
                self.stop()

    def published(self, now: float) -> None:
        """The endpoints no longer name this replica: the time to drain runs from here."""
        if self.retiring and self._drained_at is None:
            self._drained_at = now + self._policy.drain

    def stop(self) -> None:
        self.retiring = True
        if self._process is not None:
            self._process.stop()

    def _start(self, now: float, changed: Callable[[], None]) -> None:
        self._restarts += 1
        try:
            self._process = self._launch(self.name, self.template, changed)
        except OSError as refused:
            message = f"cannot start the model server: {refused}"
            self._fail(Termination(CANNOT_EXECUTE, message, datetime.now(UTC)), now)

    def _drain(self, now: float) -> float | None:
        if self._process is None or self._drained_at is None:
            return None
        if now < self._drained_at:
            return self._drained_at
        self._process.stop()
        return None

    def _note_readiness(self, now: float) -> None:
        if self.ready:
            self._was_ready = True
            self._ready_since = self._ready_since or now

    def _note_end(self, now: float) -> None:
        if self._process is None or self._process.termination is None:
            return
        termination, self._process = self._process.termination, None
        if not self.retiring:
            self._fail(termination, now)

    def _fail(self, termination: Termination, now: float) -> None:
        self._last_termination = termination
        ready_for = now - self._ready_since if self._ready_since is not None else 0.0
        if ready_for >= self._policy.stable_after:
            self._failures = 0  # the first restart of a server that has proved itself is immediate
        else:
            self._failures += 1
        self._ready_since = None
        self._exhausted = self._failures > self._policy.limit
        self._next_start = now + self._policy.delay(self._failures)


class Predictor:
    """All replicas of one InferenceService's predictor. `changed` is called from other threads."""

    def __init__(
        self, key: Key, launch: Launch, policy: RestartPolicy, changed: Callable[[], None]
    ) -> None:
        self._key = key
        self._launch = launch
        self._policy = policy
        self._changed = changed
        self._replicas: list[Replica] = []
        self._attempt: Hashable = None

    @property
    def serving(self) -> bool:
        return any(replica.ready and not replica.retiring for replica in self._replicas)

    def pods(self) -> list[Pod]:
        """Snapshots, the newest pod first."""
        return [replica.snapshot() for replica in reversed(self._replicas)]

    def template_of(self, pod: str) -> PodTemplate:
        return next(each.template for each in self._replicas if each.name == pod)

    def cpu_seconds(self) -> dict[str, float]:
        """The processor time of every replica in service that tells it, by pod."""
        used = {each.name: each.cpu_seconds for each in self._alive() if each.ready}
        return {name: seconds for name, seconds in used.items() if seconds is not None}

    def advance(self, template: PodTemplate, wanted: int, attempt: Hashable) -> float | None:
        """Move towards `wanted` ready replicas of `template`; when to look again, or None.

        A change of the template replaces them step by step, as a Deployment with a maxSurge and
        maxUnavailable of 25 % does: rounded up and down, so one replica is replaced without a gap.
        A replica that has used up its restarts is tried anew when `attempt` has changed.
        """
        now = time.monotonic()
        new_attempt, self._attempt = attempt != self._attempt, attempt
        for replica in self._alive():
            outdated = replica.template != template and not replica.ready
            if outdated or (new_attempt and replica.exhausted):
                replica.retire()
        self._retire_surplus(template, wanted)
        self._add_missing(template, wanted)
        return self.look_after(now)

    def look_after(self, now: float | None = None) -> float | None:
        """Do what is due for the replicas there are; returns when to look again, or None."""
        now = time.monotonic() if now is None else now
        times = [replica.advance(now, self._changed) for replica in self._replicas]
        self._replicas = [replica for replica in self._replicas if not replica.gone]
        return min((each for each in times if each is not None), default=None)

    def published(self) -> None:
        """The endpoints of all replicas have been written as `pods` told them."""
        now = time.monotonic()
        for replica in self._replicas:
            replica.published(now)

    def retire(self) -> None:
        """Take all replicas out of service; those that serve drain once that is published."""
        for replica in self._replicas:
            replica.retire()

    def stop(self) -> None:
        for replica in self._replicas:
            replica.stop()

    def _alive(self) -> list[Replica]:
        return [replica for replica in self._replicas if not replica.retiring]

    def _retire_surplus(self, template: PodTemplate, wanted: int) -> None:
        alive = self._alive()
        newest_first = [each for each in reversed(alive) if each.template == template]
        # Those that serve stay longest, and of these the oldest.
        first_to_go = sorted(newest_first, key=lambda replica: replica.ready)
        for replica in first_to_go[: max(0, len(newest_first) - wanted)]:
            replica.retire()
        ready = sum(replica.ready for replica in self._alive())
        spare = ready - (wanted - wanted // 4)
        outdated = [replica for replica in alive if replica.template != template]
        for replica in outdated[: max(0, spare)]:
            replica.retire()

    def _add_missing(self, template: PodTemplate, wanted: int) -> None:
        alive = self._alive()
        current = sum(replica.template == template for replica in alive)
        room = wanted + math.ceil(wanted / 4) - len(alive)
        for _ in range(min(wanted - current, room)):
            name = self._new_name(template)
            self._replicas.append(Replica(name, template, self._launch, self._policy))

    def _new_name(self, template: PodTemplate) -> str:
        return f"{self._key.predictor}-{template.digest}-{secrets.token_hex(3)[:5]}"
