"""How often generated tests really asked: printed at the end of every run, so that a test that asks nothing is seen."""

from collections import Counter

_counted: Counter[str] = Counter()


def count(what: str, times: int = 1) -> None:
    """Count under a sentence such as `decisions on generated requests`."""
    _counted[what] += times


def counted() -> dict[str, int]:
    """What this process has counted."""
    return dict(_counted)


def lines() -> list[str]:
    """What was counted, one line each."""
    return [f"{number:>9,} {what}" for what, number in sorted(_counted.items())]
