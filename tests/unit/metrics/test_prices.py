"""What a revision costs an hour, about: whole micro-USD, and never less than the list says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.serving.prices import cost_per_hour, list_prices
from controlplane.serving.settings import DeploymentSettings


def settings(resources: dict[str, object] | None = None, **scaling: int) -> DeploymentSettings:
    return DeploymentSettings.model_validate(
        {"resources": resources or {}, "autoscaling": scaling or {"min_replicas": 1}}
    )


@pytest.mark.parametrize(
    ("resources", "scaling", "cost"),
    [
        ({}, {}, 37_000 + 2 * 3_750),
        ({"cpu": "500m", "memory": "512Mi"}, {}, 18_500 + 1_875),
        (
            {"cpu": "2", "memory": "4Gi"},
            {"min_replicas": 3, "max_replicas": 5},
            3 * (74_000 + 15_000),
        ),
        ({"cpu": "1m", "memory": "1Mi"}, {}, 37 + 4),
        ({"gpus": 2, "gpu_type": "l4", "cpu": "4"}, {}, 2 * 804_800),
        ({"gpus": 1}, {}, 6_880_000),
        ({"gpus": 1, "gpu_type": "tpu-v9"}, {}, 6_880_000),
        # One that sleeps is woken to be kept warm.
        ({}, {"min_replicas": 0}, 37_000 + 2 * 3_750),
    ],
)
def test_cost_per_hour(resources: dict[str, object], scaling: dict[str, int], cost: int) -> None:
    assert cost_per_hour(settings(resources, **scaling)) == cost


def test_a_runtime_that_brings_gpus_counts_them_where_nothing_is_said() -> None:
    assert cost_per_hour(settings({}), gpus=1) == 6_880_000
    assert cost_per_hour(settings({"gpus": 2, "gpu_type": "t4"}), gpus=1) == 2 * 526_000


def test_other_prices_can_be_put_in_their_place() -> None:
    cheap = list_prices().model_copy(update={"vcpu": 1_000, "gib": 1})

    assert cost_per_hour(settings(), prices=cheap) == 1_000 + 2


@given(cpu=st.integers(1, 64_000), memory=st.integers(1, 500_000), replicas=st.integers(1, 100))
def test_an_estimate_is_a_whole_number_that_is_not_too_low(
    cpu: int, memory: int, replicas: int
) -> None:
    prices = list_prices()
    asked = settings(
        {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}, min_replicas=replicas, max_replicas=100
    )

    cost = cost_per_hour(asked)

    exact = replicas * (prices.vcpu * cpu / 1000 + prices.gib * memory / 1024)
    assert isinstance(cost, int)
    assert exact - 1 <= cost <= exact + 2 * replicas + 1


def test_the_list_says_where_and_when_it_is_from() -> None:
    prices = list_prices()

    assert prices.region == "us-east-1"
    assert re.fullmatch(r"\d{4}-\d{2}", prices.as_of)
    assert prices.source.startswith("https://")
