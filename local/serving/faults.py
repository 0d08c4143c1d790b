"""Faults of a model server on purpose: errors, slowness, silence and sudden ends.

A `Fault` is what a revision is to suffer; `FaultyApplication` makes the server's HTTP application
suffer it, as a small file says that is looked at before every request. Only the standard library:
the controller and the command line read and write faults too.
"""

import asyncio
import json
import math
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from random import Random
from typing import Any, NoReturn

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HANGS = ("", "requests", "all")
LONGEST_LATENCY_MS = 600_000.0
# How soon a hanging request notices that the fault is over.
LOOK_AGAIN_SECONDS = 0.1
# What the end of a container is reported as that was killed for its memory (128 + SIGKILL).
DEATH = 137


class FaultInvalidError(ValueError):
    """A fault that cannot be injected; the message says which field and what it may be."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a revision suffers; the default is nothing. Field names are those of the JSON text.

    `errorRate` is the share of predictions answered with 500, `latencyMs` the time that each waits
    first, more or less up to `latencyJitterMs`. `neverReady`: neither ready nor predicting (503).
    `dieAfterRequests`: the process ends in the midst of that prediction since its start, 0 for
    never. `hang`: no answer to predictions ("requests") or to anything, probes included ("all").
    """

    errorRate: float = 0.0  # noqa: N815 - Kubernetes' way to write field names
    latencyMs: float = 0.0  # noqa: N815
    latencyJitterMs: float = 0.0  # noqa: N815
    neverReady: bool = False  # noqa: N815
    dieAfterRequests: int = 0  # noqa: N815
    hang: str = ""

    def latency(self, random: Random) -> float:
        """Draw the seconds that a prediction waits."""
        jitter = random.uniform(-self.latencyJitterMs, self.latencyJitterMs)
        return max(0.0, self.latencyMs + jitter) / 1000


NO_FAULT = Fault()
FIELDS = tuple(field.name for field in fields(Fault))


def read_fault(values: Mapping[str, Any]) -> Fault:
    """The fault of these fields. Raises FaultInvalidError."""
    if unknown := sorted(set(values) - set(FIELDS)):
        raise FaultInvalidError(f"unknown: {', '.join(unknown)}; there are {', '.join(FIELDS)}")
    fault = Fault(**values)
    _require(_number_within(fault.errorRate, 1.0), "errorRate must be from 0 to 1")
    for name in ("latencyMs", "latencyJitterMs"):
        valid = _number_within(getattr(fault, name), LONGEST_LATENCY_MS)
        _require(valid, f"{name} must be from 0 to {LONGEST_LATENCY_MS:.0f}")
    _require(isinstance(fault.neverReady, bool), "neverReady must be true or false")
    after = fault.dieAfterRequests
    _require(type(after) is int and after >= 0, "dieAfterRequests must be a whole number from 0 on")
    _require(fault.hang in HANGS, "hang must be requests or all")
    return fault


def described(fault: Fault) -> dict[str, Any]:
    """The fields that differ from no fault, as `read_fault` takes them."""
    healthy = asdict(NO_FAULT)
    return {name: value for name, value in asdict(fault).items() if value != healthy[name]}


def _require(valid: bool, message: str) -> None:
    if not valid:
        raise FaultInvalidError(message)


def _number_within(value: object, most: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= most  # type: ignore[arg-type, operator]


class FaultFile:
    """The fault that a file holds now; read again only when the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._fault = NO_FAULT

    def current(self) -> Fault:
        """No file means no fault."""
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen != self._seen:
                self._fault = read_fault(json.loads(self._path.read_text()))
                self._seen = seen
        except FileNotFoundError:
            self._seen, self._fault = None, NO_FAULT
        return self._fault


def die(explanation: str, log: Path | None) -> NoReturn:
    """End the process as a killed one ends: at once, requests in flight and all."""
    if log is not None:
        log.write_text(explanation)
    os._exit(DEATH)


class FaultyApplication:
    """An ASGI application in front of a healthy one."""

    def __init__(
        self,
        application: Application,
        file: FaultFile,
        random: Random,
        end: Callable[[str], NoReturn],
    ) -> None:
        self._application = application
        self._file = file
        self._random = random
        self._end = end
        self._predictions = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or fail to."""
        if scope["type"] == "http" and await self._suffers(scope, receive, send):
            return
        await self._application(scope, receive, send)

    async def _suffers(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Do what the fault does before an answer; whether it has answered in the model's place."""
        predicts = _predicts(scope)
        self._predictions += predicts
        while (hang := self._file.current().hang) == "all" or (hang and predicts):
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        fault = self._file.current()
        if fault.neverReady and (predicts or _probes(scope)):
            await _refuse(receive, send, 503, "the model is never ready")
            return True
        return predicts and await self._fails(fault, receive, send)

    async def _fails(self, fault: Fault, receive: Receive, send: Send) -> bool:
        if 0 < fault.dieAfterRequests <= self._predictions:
            self._end(f"injected fault: died in prediction {self._predictions}")
        if seconds := fault.latency(self._random):
            await asyncio.sleep(seconds)
        if self._random.random() >= fault.errorRate:
            return False
        await _refuse(receive, send, 500, "the model fails")
        return True


def _predicts(scope: Scope) -> bool:
    return scope["method"] == "POST" and not scope["path"].startswith("/v2/repository")


def _probes(scope: Scope) -> bool:
    path = scope["path"]
    return bool(path.endswith("/ready") or path.startswith("/v1/models/"))


async def _refuse(receive: Receive, send: Send, status: int, message: str) -> None:
    # Read to the end, so that the connection can be used again.
    while (event := await receive())["type"] == "http.request" and event.get("more_body"):
        pass
    body = json.dumps({"error": f"injected fault: {message}"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
