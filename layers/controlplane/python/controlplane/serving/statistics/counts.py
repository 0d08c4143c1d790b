"""What is a count, and what has been counted between two readings."""

from dataclasses import dataclass

from controlplane.serving.analysis import RevisionCounts

# Above it a float no longer holds every whole number; no counter gets there honestly.
LARGEST_COUNT = 2**53


def is_count(value: object) -> bool:
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


@dataclass(frozen=True)
class Window:
    """The same stretch of time for both revisions: the counts at its beginning, and what was added in it.

    `stable` and `stable_before` are None where the stable revision is not watched.
    """

    stable_before: RevisionCounts | None
    stable: RevisionCounts | None
    canary: RevisionCounts


def difference(before: RevisionCounts, after: RevisionCounts) -> RevisionCounts | None:
    """What was added; None if anything went down. Histograms whose bounds changed are left out."""
    pairs = {
        name: (before.events.get(name, (0, 0)), numbers) for name, numbers in after.events.items()
    }
    added = RevisionCounts(
        requests=after.requests - before.requests,
        errors=after.errors - before.errors,
        events={name: (new[0] - old[0], new[1] - old[1]) for name, (old, new) in pairs.items()},
        **_added_latencies(before, after),
    )
    numbers = [added.requests, added.errors, *added.latency_counts]
    numbers += [number for pair in added.events.values() for number in pair]
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
