"""Whether a version may serve: what its project's policy asks, and how far the version meets it. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from controlplane.reasons import Reason
from controlplane.registry.model import ApprovalState, ModelVersion
from controlplane.registry.policy import (
    MetricThreshold,
    NotWorseThanChampion,
    RegistryRules,
    ScanClean,
    SignaturePresent,
)
from controlplane.registry.scan import ScanState
from controlplane.registry.signatures import SignatureRecord

_MEASURE = (
    "Measure it and add it to the version once (PATCH of the version), or upload a version with it."
)
_SCAN_REMEDY = "Save the model in a format that holds no code, such as safetensors or ONNX, and upload it again."
_SIGN_REMEDY = "Sign the manifest with a key of the project, and upload the version again."
_BIND_REMEDY = (
    "Write project and model into the manifest, sign it, and upload the version again "
    "(docs/runbooks/signing.md)."
)

_SCANNED = {
    ScanState.CLEAN: "the scan found nothing",
    ScanState.NOT_NEEDED: "nothing in its files is run on loading",
    None: "nobody asks for a scan",
}


@dataclass(frozen=True)
class Champion:
    """The version that others are compared with."""

    number: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class GateResult:
    """One condition, whether it is met, and the figures it was judged by.

    `code` and `remedy` are there where it is not met. `value` is the version's own number, None where there is none;
    `min` and `max` are what it was held to.
    """

    gate: str
    met: bool
    message: str
    code: str | None = None
    remedy: str | None = None
    metric: str | None = None
    value: float | None = None
    min: float | None = None
    max: float | None = None
    champion: int | None = None
    champion_value: float | None = None


def evaluate(
    rules: RegistryRules,
    version: ModelVersion,
    champion: Champion | None,
    revoked_keys: frozenset[str] = frozenset(),
) -> tuple[GateResult, ...]:
    """Every condition that holds in the project, in the order of its policy; the version serves if all are met.

    `revoked_keys` are the names of the project's signing keys that are trusted no more.
    """
    return tuple(_evaluate(rules, version, champion, revoked_keys))


def obstacles(results: tuple[GateResult, ...]) -> list[Reason]:
    """Why a version may not serve; empty when it may."""
    return [
        Reason(code=result.code or "GateNotMet", message=result.message, remedy=result.remedy)
        for result in results
        if not result.met
    ]


def _evaluate(
    rules: RegistryRules,
    version: ModelVersion,
    champion: Champion | None,
    revoked_keys: frozenset[str],
) -> Iterator[GateResult]:
    if rules.approval_required or version.approval.state is ApprovalState.REJECTED:
        yield _approval(rules, version)
    yield _scan(rules, version)
    signed_by_gate = any(isinstance(gate, SignaturePresent) for gate in rules.gates)
    is_revoked = version.signature is not None and version.signature.key_id in revoked_keys
    if rules.signature_required or signed_by_gate or is_revoked:
        yield _signature(version, is_revoked)
    for gate in rules.gates:
        if isinstance(gate, MetricThreshold):
            yield _threshold(gate, version)
        elif isinstance(gate, NotWorseThanChampion):
            yield _comparison(gate, version, champion)


def _approval(rules: RegistryRules, version: ModelVersion) -> GateResult:
    state, actor = version.approval.state, version.approval.actor
    if state is ApprovalState.APPROVED:
        why_not = too_few_eyes(rules, version, actor)
        if why_not is None:
            return GateResult("approval", True, f"{actor} approved it")
        return GateResult(
            "approval",
            False,
            f"{actor} approved it, but {why_not.message}",
            code=why_not.code,
            remedy=why_not.remedy,
        )
    if state is ApprovalState.REJECTED:
        return GateResult(
            "approval",
            False,
            f"{actor} rejected it: {version.approval.reason}",
            code="ApprovalRejected",
            remedy="Upload a better version; or have whoever may approve decide again.",
        )
    return GateResult(
        "approval",
        False,
        "nobody has approved it yet",
        code="NotApproved",
        remedy="Ask somebody who may approve versions to do so.",
    )


def too_few_eyes(
    rules: RegistryRules, version: ModelVersion, approver: str | None
) -> Reason | None:
    """Why an approver's word does not count where the project wants four eyes; None if it does."""
    if not rules.approver_is_not_uploader:
        return None
    if version.registered_by is None:
        return Reason(
            code="NotApproved",
            message="nobody knows who uploaded it, and the project wants somebody else to approve it",
            remedy="Open the upload through the API, so that its uploader is known, and upload again.",
        )
    if approver in (None, version.registered_by):
        return Reason(
            code="NotApproved",
            message="the project wants somebody else than its uploader to approve it",
            remedy="Ask another person who may approve versions.",
        )
    return None


def _scan(rules: RegistryRules, version: ModelVersion) -> GateResult:
    """An unsafe version never serves; the other answers matter where the project asks."""
    state = version.scan.state if version.scan else None
    asked = any(isinstance(gate, ScanClean) for gate in rules.gates)
    if state is ScanState.UNSAFE:
        why = "the scan of its files found what is unsafe to load"
    elif state is None and (asked or not rules.pickles_allowed):
        why = "its files were never scanned"
    elif state is ScanState.CLEAN and not rules.pickles_allowed:
        why = "its format can hold code to run on loading, which the project does not allow"
    else:
        return GateResult("scan_clean", True, _SCANNED[state])
    return GateResult("scan_clean", False, why, code="ScanNotClean", remedy=_SCAN_REMEDY)


def _signature(version: ModelVersion, is_revoked: bool) -> GateResult:
    """Whatever a revoked key signed is refused, also where nobody asks for signatures: somebody distrusts it."""
    if version.signature is not None:
        key_id = version.signature.key_id
        if is_revoked:
            return GateResult(
                "signature_present",
                False,
                f"its manifest is signed with key {key_id}, which was revoked",
                code="SignatureRevoked",
                remedy=_SIGN_REMEDY,
            )
        return _binding(version.signature)
    return GateResult(
        "signature_present",
        False,
        "its manifest is not signed",
        code="SignatureMissing",
        remedy=_SIGN_REMEDY,
    )


def _binding(signature: SignatureRecord) -> GateResult:
    """A signed manifest that does not say what it is of could be another model's, or another project's."""
    bound = signature.names_model
    told = "" if bound else ", but does not say of which project and model it is"
    return GateResult(
        "signature_present",
        bound,
        f"its manifest is signed with key {signature.key_id}{told}",
        code=None if bound else "SignatureUnbound",
        remedy=None if bound else _BIND_REMEDY,
    )


def _number(metrics: Mapping[str, float], name: str) -> float | None:
    """A metric that can be compared: NaN and the infinities cannot, they are what a failed measurement leaves."""
    value = metrics.get(name)
    return value if value is not None and math.isfinite(value) else None


def _why_no_number(metrics: Mapping[str, float], name: str) -> str:
    return f"has no metric {name}" if name not in metrics else f"has no number as metric {name}"


def _threshold(gate: MetricThreshold, version: ModelVersion) -> GateResult:
    value = _number(version.metrics, gate.metric)
    if value is None:
        return GateResult(
            gate.gate,
            False,
            f"the version {_why_no_number(version.metrics, gate.metric)}",
            code="GateNotMet",
            remedy=_MEASURE,
            metric=gate.metric,
            min=gate.min,
            max=gate.max,
        )
    asked = " and ".join(
        f"{word} {bound:g}"
        for word, bound in (("at least", gate.min), ("at most", gate.max))
        if bound is not None
    )
    above = gate.min is None or value >= gate.min
    met = above and (gate.max is None or value <= gate.max)
    return GateResult(
        gate.gate,
        met,
        f"{gate.metric} is {value:g}, {asked} is asked for",
        code=None if met else "GateNotMet",
        remedy=None if met else "Upload a version that reaches it, or change the project's policy.",
        metric=gate.metric,
        value=value,
        min=gate.min,
        max=gate.max,
    )


def _comparison(
    gate: NotWorseThanChampion, version: ModelVersion, champion: Champion | None
) -> GateResult:
    value = _number(version.metrics, gate.metric)
    if value is None:
        why = f"the version {_why_no_number(version.metrics, gate.metric)}"
        return _not_compared(gate, why, champion)
    if champion is None or champion.number == version.number:
        why = "there is no champion yet" if champion is None else "the version is the champion"
        return GateResult(gate.gate, True, why, metric=gate.metric, value=value)
    other = _number(champion.metrics, gate.metric)
    if other is None:
        why = f"the champion, version {champion.number}, {_why_no_number(champion.metrics, gate.metric)}"
        return _not_compared(gate, why, champion, value)
    bound = _worst(gate, other)
    met = _exact(value) >= bound if gate.higher_is_better else _exact(value) <= bound
    worst = float(bound)
    return GateResult(
        gate.gate,
        met,
        f"{gate.metric} is {value:g}, the champion's (version {champion.number}) is {other:g}; "
        f"{'at least' if gate.higher_is_better else 'at most'} {worst:g} is asked for",
        code=None if met else "NotWorseThanChampion",
        remedy=None if met else "Upload a better version.",
        metric=gate.metric,
        value=value,
        min=worst if gate.higher_is_better else None,
        max=None if gate.higher_is_better else worst,
        champion=champion.number,
        champion_value=other,
    )


def _worst(gate: NotWorseThanChampion, other: float) -> Decimal:
    """What a version's metric may be at worst, beside the champion's."""
    regression = _exact(gate.max_regression)
    return _exact(other) - regression if gate.higher_is_better else _exact(other) + regression


def _exact(value: float) -> Decimal:
    """The number as people wrote it, and as it is kept: 0.8 less 0.1 is no more than 0.7."""
    return Decimal(repr(value))


def _not_compared(
    gate: NotWorseThanChampion, why: str, champion: Champion | None, value: float | None = None
) -> GateResult:
    return GateResult(
        gate.gate,
        False,
        why,
        code="NotWorseThanChampion",
        remedy=_MEASURE,
        metric=gate.metric,
        value=value,
        champion=champion.number if champion else None,
    )
