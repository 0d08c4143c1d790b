"""Conditions the way Knative's library keeps them, which KServe's status is made of.

A living set: `Ready` is derived from the conditions it depends on, severity is "Info" for any
other, and a transition time moves only when something else of the condition did.
(knative.dev/pkg/apis/condition_set_impl.go)
"""

from datetime import UTC, datetime
from typing import Any

Condition = dict[str, Any]

READY = "Ready"
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ConditionSet:
    """Conditions of one object; `now` is the transition time of those that change."""

    def __init__(
        self, conditions: list[Condition], *, dependents: tuple[str, ...], now: datetime
    ) -> None:
        self._conditions = {condition["type"]: condition for condition in conditions}
        self._dependents = dependents
        self._now = timestamp(now)

    def mark(self, kind: str, status: str, reason: str = "", message: str = "") -> None:
        """Set one condition; True drops reason and message, as Knative's MarkTrue does."""
        if status == TRUE:
            reason = message = ""
        self._set(kind, status, reason, message)
        if kind in self._dependents:
            self._derive_ready()

    def status_of(self, kind: str) -> str | None:
        found = self._conditions.get(kind)
        return None if found is None else str(found["status"])

    def as_list(self) -> list[Condition]:
        return [self._conditions[kind] for kind in sorted(self._conditions)]

    def _derive_ready(self) -> None:
        found = [self._conditions[kind] for kind in self._dependents if kind in self._conditions]
        for wanted in (FALSE, UNKNOWN):
            for condition in found:
                if condition["status"] == wanted:
                    reason, message = condition.get("reason", ""), condition.get("message", "")
                    self._set(READY, wanted, reason, message)
                    return
        complete = len(found) == len(self._dependents)
        self._set(READY, TRUE if complete else UNKNOWN, "", "")

    def _set(self, kind: str, status: str, reason: str, message: str) -> None:
        new: Condition = {"type": kind, "status": status}
        if kind != READY and kind not in self._dependents:
            new["severity"] = "Info"
        if reason:
            new["reason"] = reason
        if message:
            new["message"] = message
        old = self._conditions.get(kind, {})
        unchanged = {name: value for name, value in old.items() if name != "lastTransitionTime"}
        if unchanged != new:
            self._conditions[kind] = new | {"lastTransitionTime": self._now}
