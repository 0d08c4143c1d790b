"""Figures in the words of a person who reads them."""

from controlplane.serving.statistics.checks import ShareCheck
from controlplane.serving.statistics.evidence import Shares

LARGEST_IN_WORDS = 1e6


def percent(share: float | None) -> str:
    return "none" if share is None else f"{share * 100:.1f} %"


def points(share: float) -> str:
    return f"{share * 100:.1f}"


def shares_words(check: ShareCheck, shares: Shares, threshold: str) -> str:
    """ "12 of 240 canary requests failed (5.0 %), stable 9 of 2,160 (0.4 %)"."""
    thing, _, bad = check.bad.partition(" ")
    canary = f"{shares.canary_bad:,} of {shares.canary:,} canary {thing} {bad}"
    words = f"{canary} ({percent(shares.canary_share)})" if shares.canary else canary
    if threshold:
        words = f"{words}, {threshold}"
    if check.limit is not None:
        return words
    stable = f"{shares.stable_bad:,} of {shares.stable:,}"
    return f"{words}, stable {stable} ({percent(shares.stable_share)})"


def evidence_words(evidence: float, needed: float) -> str:
    found = "more than a million" if evidence > LARGEST_IN_WORDS else f"{evidence:,.0f}"
    return f"evidence {found} of {needed:,.0f} needed"
