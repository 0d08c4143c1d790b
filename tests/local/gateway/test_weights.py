"""Weights: shares are exact, because every backend owns as many draws as it has weight."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from local.gateway.weights import choose, cumulate

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any)


@given(WEIGHTS)
def test_every_backend_owns_exactly_its_weight_of_all_draws(weights: list[int]) -> None:
    cumulated = cumulate(weights)
    owned = Counter(choose(cumulated, draw) for draw in range(cumulated[-1]))
    assert [owned[index] for index in range(len(weights))] == weights
