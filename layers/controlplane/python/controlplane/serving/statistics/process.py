"""Evidence that may be looked at after every tick: a test martingale, kept as one number for each odds ratio.

Under the null hypothesis it ever reaches `1 / chance` with probability of at most `chance` (Ville's inequality),
however often it is looked at and whenever that ends.

Sources: Ville, Étude critique de la notion de collectif (1939); Robbins, Statistical methods related to the law of the
iterated logarithm, Annals of Mathematical Statistics 41 (1970); Shin, Ramdas, Rinaldo, E-detectors, New England Journal
of Statistics in Data Science 2 (2024).
"""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from controlplane.serving.statistics.odds import GRID_SIZE, log_sum

# Numbers are kept rounded down: that costs at most a ten-thousandth of the evidence a tick, keeps the state small, and
# never speaks against the canary.
SCALE = 1e4


class EvidenceProcess(BaseModel):
    """A mixture over how much worse the canary is (`logs`, one for each ratio) and since when.

    `ticks`: those that told anything. `peak`: the largest evidence so far, as a logarithm.
    """

    model_config = ConfigDict(frozen=True)

    ticks: int = 0
    logs: tuple[float, ...] = ()
    peak: float = 0.0


def unspent(ticks: int) -> float:
    """The part of the bet that is not yet placed after as many ticks, 1 at the beginning.

    A canary may become worse at any time (a leak, a cache that fills), so each tick begins a small test of its own:
    tick `t` is given `unspent(t - 1) - unspent(t)`, about `1 / (t * log(t) ** 2)`. All together they are at most 1.
    """
    return 1 / (1 + math.log1p(ticks))


def absorb(process: EvidenceProcess, factors: Sequence[float]) -> EvidenceProcess:
    """The process after one more tick, of which `factors` are the log likelihood ratios for each odds ratio."""
    ticks = process.ticks + 1
    placed = math.log(unspent(ticks - 1) - unspent(ticks))
    before = process.logs or (-math.inf,) * GRID_SIZE
    logs = tuple(
        _rounded_down(log_sum([log, placed]) + factor)
        for log, factor in zip(before, factors, strict=True)
    )
    evidence = _rounded_down(_evidence(logs, ticks))
    return EvidenceProcess(ticks=ticks, logs=logs, peak=max(process.peak, evidence))


def log_evidence(process: EvidenceProcess) -> float:
    """What the evidence is now, as a logarithm; 0 at the beginning."""
    return _evidence(process.logs, process.ticks) if process.logs else 0.0


def _evidence(logs: Sequence[float], ticks: int) -> float:
    return log_sum([*(log - math.log(GRID_SIZE) for log in logs), math.log(unspent(ticks))])


def _rounded_down(value: float) -> float:
    return math.floor(value * SCALE) / SCALE
