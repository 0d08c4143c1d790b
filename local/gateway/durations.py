"""Durations as the Gateway API writes them (GEP-2257): `10s`, `1h30m`, `250ms`."""

import re

_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")
_PART = re.compile(r"([0-9]{1,5})(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> float:
    """Return the duration in seconds; raise ValueError with the accepted form."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration; write it like 10s, 1m30s or 250ms")
    return sum(int(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
