"""Choice among weighted backends.

Every request draws one integer uniformly below the sum of the weights from a generator that the
gateway seeds once (`--seed`; unseeded by default). Backend i owns exactly weight_i of these
integers, so its share is exact in expectation, requests are independent of each other, and one
with weight 0 gets nothing.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


def cumulate(weights: Sequence[int]) -> tuple[int, ...]:
    """Return the running sums of the weights; the last is their total."""
    return tuple(accumulate(weights))


def choose(cumulated: Sequence[int], draw: int) -> int:
    """Return the index that owns `draw`, which lies in [0, total)."""
    return bisect_right(cumulated, draw)
