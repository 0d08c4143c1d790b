"""Metrics that are numbers: judged by bounds and by how many ticks in a row they are broken."""

import sys

from controlplane.serving.analysis import CheckResult, ValueMetric, Verdict
from controlplane.serving.statistics.counts import Missing
from controlplane.serving.statistics.evidence import ValueEvidence

Values = tuple[float | None, float | None]


def judge_value(
    metric: ValueMetric,
    seen: ValueEvidence,
    values: Values | None,
    *,
    obstacle: Missing | None,
    fresh: bool,
    compared: bool,
) -> tuple[ValueEvidence, CheckResult]:
    """The check after one more tick; `fresh` if the reading is a new one, so that none counts twice.

    A tick without a number neither counts as one out of bounds nor as one within.
    """
    canary, stable = values or (None, None)
    fault = _fault(metric, canary, stable, compared=compared)
    if fresh and not isinstance(fault, Missing):
        row = seen.out_of_bounds + 1 if fault else 0
        broken = seen.broken or row >= metric.ticks_in_a_row
        seen = seen.model_copy(update={"out_of_bounds": row, "broken": broken})
    verdict, code, message = _outcome(metric, seen, fault, obstacle)
    return seen, CheckResult(
        check=f"values.{metric.name}",
        verdict=verdict,
        code=code,
        message=message,
        stable=_finite(stable),
        canary=_finite(canary),
    )


def _outcome(
    metric: ValueMetric, seen: ValueEvidence, fault: str | Missing, obstacle: Missing | None
) -> tuple[Verdict, str, str]:
    ticks = f"{metric.ticks_in_a_row} ticks in a row"
    if seen.broken:
        last = f"; now {fault}" if fault and not isinstance(fault, Missing) else ""
        return Verdict.FAIL, "ValueOutOfBounds", f"{metric.name} was out of bounds {ticks}{last}"
    missing = obstacle or (fault if isinstance(fault, Missing) else None)
    if missing:
        return Verdict.INCONCLUSIVE, missing.code, missing.message
    if fault:
        message = f"{metric.name} is {fault}: {seen.out_of_bounds} of {ticks}"
        return Verdict.INCONCLUSIVE, "OutOfBounds", message
    return Verdict.PASS, "WithinBounds", f"{metric.name} is within its bounds"


def _fault(
    metric: ValueMetric, canary: float | None, stable: float | None, *, compared: bool
) -> str | Missing:
    """What is wrong with the values, in words; empty when they are within the bounds."""
    if canary is None:
        return Missing("NoData", f"there is no value of {metric.name} for the canary")
    if _finite(canary) is None:
        return Missing("NotANumber", f"{metric.name} of the canary is no number")
    if metric.min is not None and canary < metric.min:
        return f"{canary:g}, less than {metric.min:g}"
    if metric.max is not None and canary > metric.max:
        return f"{canary:g}, more than {metric.max:g}"
    if metric.max_ratio is None or not compared:
        return ""
    base = _finite(stable)
    if base is None or base <= 0:
        return Missing("NoBaseline", f"{metric.name} of the stable revision is no positive number")
    if canary > metric.max_ratio * base:
        return f"{canary:g}, more than {metric.max_ratio:g} x {base:g} of the stable revision"
    return ""


def _finite(value: float | None) -> float | None:
    """The value if it is a number: sources hand on what a division by zero gave."""
    if not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return None
    return float(value)
