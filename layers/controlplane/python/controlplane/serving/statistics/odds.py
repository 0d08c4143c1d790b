"""The odds ratios that evidence is kept for, and sums of logarithms."""

import math
from collections.abc import Sequence

GRID_SIZE = 16
SMALLEST_RATIO = 1.1
LARGEST_RATIO = 1000.0
_STEP = math.log(LARGEST_RATIO / SMALLEST_RATIO) / (GRID_SIZE - 1)

# Odds of a bad answer from the canary to those from the stable revision, evenly spaced on a log scale: from a
# difference that takes tens of thousands of requests to see to a canary that answers nothing right.
LOG_RATIOS = tuple(math.log(SMALLEST_RATIO) + _STEP * place for place in range(GRID_SIZE))


def log_sum(logs: Sequence[float]) -> float:
    """log(sum(exp(x))) without overflow."""
    largest = max(logs)
    return largest + math.log(sum(math.exp(each - largest) for each in logs))
