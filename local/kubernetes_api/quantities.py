"""Kubernetes quantities (``500m``, ``1.5Gi``, ``2e3``): exact numbers that remember how they are written.

The grammar, the rounding and the canonical form are those of the apimachinery's ``resource.Quantity``.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_FORM = re.compile(
    r"([+-]?)(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3}|Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|)", re.ASCII
)
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_LARGEST = Fraction(2**63 - 1)
_NANO = Fraction(1, 10**9)


class QuantityError(ValueError):
    """A text that is no quantity."""


@dataclass(frozen=True)
class Quantity:
    """An amount, exact; `style` is ``decimal``, ``binary`` or ``exponent``."""

    value: Fraction = Fraction(0)
    style: str = "decimal"

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.value + other.value, self.style if self.value else other.style)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return self + Quantity(-other.value, other.style)

    def __lt__(self, other: "Quantity") -> bool:
        return self.value < other.value

    def __gt__(self, other: "Quantity") -> bool:
        return self.value > other.value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        """The canonical form: no fraction, the largest suffix that keeps it so."""
        if self.style == "binary" and abs(self.value) >= 1024:
            return _in_binary(_away_from_zero(self.value))
        number, power = _whole(self.value)
        if self.style == "exponent":
            return f"{number}e{power}" if power else str(number)
        return f"{number}{_SUFFIX[power]}"


def _in_binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY) - 1:
        number, power = number // 1024, power + 1
    return f"{number}{_BINARY[power]}"


def _whole(value: Fraction) -> tuple[int, int]:
    """A whole number and the largest power of 1000 (as power of ten, -9 to 18) that together are `value`."""
    number, power = _away_from_zero(value / _NANO), -9
    if not number:
        return 0, 0
    while number % 1000 == 0 and power < 18:
        number, power = number // 1000, power + 3
    return number, power


def _away_from_zero(value: Fraction) -> int:
    return math.ceil(value) if value > 0 else math.floor(value)


def quantity(text: Any) -> Quantity:
    """Read a quantity from its text or number. Raises QuantityError."""
    plain = isinstance(text, (str, int, float)) and not isinstance(text, bool)
    found = _FORM.fullmatch(str(text)) if plain else None
    if not found:
        raise QuantityError(
            f"{text!r}: quantities must be a number with an optional suffix, as 500m, 1.5Gi or 2e3"
        )
    sign, digits, suffix = found.groups()
    value = Fraction(digits + "0" if digits.endswith(".") else digits) * _factor(suffix)
    value = min(_away_from_zero(value / _NANO) * _NANO, _LARGEST)  # nothing finer than a nano
    return Quantity(-value if sign == "-" else value, _style(suffix))


def _factor(suffix: str) -> Fraction:
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix]
    if suffix.endswith("i"):
        return Fraction(1024) ** _BINARY.index(suffix)
    return Fraction(10) ** int(suffix[1:])


def _style(suffix: str) -> str:
    if suffix.endswith("i"):
        return "binary"
    return "decimal" if suffix in _DECIMAL else "exponent"
