"""Following a rollout through the API, and what is to be told of it when it has ended."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.demo.client import HeadraceClient, wait_until
from local.demo.errors import DemoError
from local.demo.traffic import Answers

# A model server takes a tenth of the traffic, then half of it, each until the verdict is Pass. Ticks of 5 s.
CANARY: dict[str, Any] = {
    "strategy": {
        "type": "Canary",
        "steps": [{"percent": 10, "bake_seconds": 5}, {"percent": 50, "bake_seconds": 5}],
    },
    "tick_seconds": 5,
    "max_seconds": 600,
    "termination_wait_seconds": 5,
    "keep_previous_seconds": 5,
    "analysis": {
        "error_rate": {"max_increase": 0.1},
        "latency": {"percentile": 90, "max_ratio": 3},
        "min_requests": 30,
    },
}
# What is good may go faster: the promise about what is bad is one of ticks of 5 s.
QUICK_CANARY = {**CANARY, "tick_seconds": 2}
ALL_AT_ONCE = {**CANARY, "strategy": {"type": "AllAtOnce"}}


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended, and what the users met meanwhile. Seconds; None where there was nothing bad."""

    version: int
    state: str
    reason: str
    check: str
    seconds: float
    first_bad_to_stable: float | None
    breach_to_stable: float | None
    share_harmed: float
    requests: int
    evidence: str

    @classmethod
    def of(cls, rollout: dict[str, Any], link: str, answers: Answers) -> "Outcome":
        """From the API's rollout and what the callers recorded while it ran."""
        started, ended = (_moment(rollout[field]) for field in ("started_at", "ended_at"))
        bad = answers.bad
        reason = rollout["reason"] or {"code": "", "message": ""}
        return cls(
            version=rollout["version"],
            state=rollout["state"],
            reason=reason["message"],
            check=reason["code"],
            seconds=ended - started,
            first_bad_to_stable=ended - bad[0].sent_at if bad else None,
            breach_to_stable=rollout["rolled_back_seconds"],
            share_harmed=answers.share_of_users_harmed,
            requests=answers.count,
            evidence=link,
        )


def follow(
    client: HeadraceClient, path: str, show: Callable[[str], None], seconds: float = 300
) -> dict[str, Any]:
    """Wait until the rollout at the path has ended, showing each change of the canary's share."""
    seen: list[str] = []

    def find() -> dict[str, Any]:
        rollout = client.get(path)
        now = _progress(rollout)
        if now and (not seen or seen[-1] != now):
            seen.append(now)
            show(now)
        return rollout

    return wait_until(find, lambda rollout: rollout["ended_at"] is not None, seconds)


def require_state(rollout: dict[str, Any], state: str) -> None:
    if rollout["state"] != state:
        raise DemoError(
            f"the rollout of version {rollout['version']} ended as {rollout['state']}, not {state}: "
            f"{rollout['reason']}"
        )


def _progress(rollout: dict[str, Any]) -> str:
    progress = rollout["progress"]
    if progress is None or not progress["percent"]:
        return ""
    return f"{progress['percent']} % of the requests go to version {rollout['version']}"


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
