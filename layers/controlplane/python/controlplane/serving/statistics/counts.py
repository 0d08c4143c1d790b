"""What is a count, and what has been counted between two readings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self, TypeGuard

from controlplane.serving.analysis import RevisionCounts

# Above it a float no longer holds every whole number; no counter gets there honestly.
LARGEST_COUNT = 2**53


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a whole number of things: sources may hand on NaN, infinities and negative numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT


def is_sound(counts: RevisionCounts) -> bool:
    """Whether its requests and errors can be true."""
    return (
        is_count(counts.requests) and is_count(counts.errors) and counts.errors <= counts.requests
    )


@dataclass(frozen=True)
class Missing:
    """Why something cannot be judged."""

    code: str
    message: str


class EventPairs(NamedTuple):
    """Bad and total of a metric that counts events; the stable revision's is None where it is not known.

    `stable_bad`: the last that was known of its bad ones, then too.
    """

    canary: tuple[int, int]
    stable: tuple[int, int] | None
    stable_bad: int = 0


@dataclass(frozen=True)
class Window:
    """The same stretch of time for both revisions: the counts at its beginning, and what was added in it.

    `stable` and `stable_before` are None where the stable revision is not watched. `events` have a stretch of their
    own for each metric, again the same for both, or the reason why there is none. `compared` is False when all traffic
    is the canary's.
    """

    stable_before: RevisionCounts | None
    stable: RevisionCounts | None
    canary: RevisionCounts
    events_before: Mapping[str, EventPairs] = field(default_factory=dict)
    events: Mapping[str, EventPairs | Missing] = field(default_factory=dict)
    compared: bool = True

    def with_stable_so_far(self) -> Self:
        """The same with all that the stable revision had answered before it, in place of what it did meanwhile."""
        events = {
            name: added._replace(stable=self.events_before[name].stable)
            if isinstance(added, EventPairs)
            else added
            for name, added in self.events.items()
        }
        return replace(self, stable=self.stable_before, events=events)


def difference(before: RevisionCounts, after: RevisionCounts) -> RevisionCounts | None:
    """What was added, but for events; None if anything went down. Histograms whose bounds changed are left out."""
    added = RevisionCounts(
        requests=after.requests - before.requests,
        errors=after.errors - before.errors,
        **_added_latencies(before, after),
    )
    numbers = [added.requests, added.errors, *added.latency_counts]
    return added if min(numbers) >= 0 else None


def _added_latencies(before: RevisionCounts, after: RevisionCounts) -> dict[str, tuple[float, ...]]:
    if not before.latency_bounds and not before.requests:
        return {"latency_bounds": after.latency_bounds, "latency_counts": after.latency_counts}
    if before.latency_bounds != after.latency_bounds:
        return {}
    pairs = zip(before.latency_counts, after.latency_counts, strict=True)
    return {
        "latency_bounds": after.latency_bounds,
        "latency_counts": tuple(new - old for old, new in pairs),
    }
