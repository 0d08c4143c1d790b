"""Quantities are read, added and written as Kubernetes does."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from local.kubernetes_api.quantities import Quantity, QuantityError, quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("1", "1"),
        ("1.", "1"),
        (".5", "500m"),
        ("0.5", "500m"),
        ("500m", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("100000", "100k"),
        ("1k", "1k"),
        ("1000k", "1M"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("1.5Gi", "1536Mi"),
        ("1Gi", "1Gi"),
        ("1024Mi", "1Gi"),
        ("1023Mi", "1023Mi"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1E", "1E"),
        ("1.5E", "1500P"),
        ("12e6", "12e6"),
        ("100e-3", "100e-3"),
        ("5n", "5n"),
        ("0.1n", "1n"),
        ("-1.5", "-1500m"),
        ("+2", "2"),
        (3, "3"),
        (0.25, "250m"),
    ],
)
def test_the_canonical_form(text: str, canonical: str) -> None:
    assert str(quantity(text)) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "m", "1 Gi", "1gi", "1KiB", "1_000", "--1", "1e", "1e3k", "Gi", "१", None, True, []],
)
def test_nonsense_is_refused(text: object) -> None:
    with pytest.raises(QuantityError):
        quantity(text)


def test_sums_keep_the_style_of_what_there_was() -> None:
    assert str(quantity("600Mi") + quantity("424Mi")) == "1Gi"
    assert str(quantity("250m") + quantity("1")) == "1250m"
    assert str(Quantity() + quantity("2Gi")) == "2Gi"
    assert str(quantity("2Gi") + quantity("1000")) == "2147484648"
    assert str(quantity("1Gi") - quantity("1Gi")) == "0"
    assert quantity("1Gi") > quantity("1G")
    assert quantity("1000m").value == quantity("1").value


texts = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.decimals(0, 9999, places=3),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti", "e3"]),
)


@given(texts)
def test_values_are_those_of_the_official_client(text: str) -> None:
    assert quantity(text).value == Fraction(Decimal(parse_quantity(text.replace("e3", "k"))))


@given(texts)
def test_what_is_written_means_the_same(text: str) -> None:
    once = quantity(text)
    again = quantity(str(once))
    # A binary amount is written in whole bytes, upwards.
    slack = 1 if once.style == "binary" and once.value >= 1024 else 0
    assert 0 <= again.value - once.value <= slack
    if again.style == once.style:  # whole bytes without a suffix are read as a decimal
        assert str(again) == str(once)
