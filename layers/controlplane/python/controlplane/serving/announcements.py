"""What others see of a rollout's progress: in the deployment's item, and as events. A silent tick shows nothing."""

from typing import Any

from controlplane.serving.deployment_events import ServingEvent
from controlplane.serving.model import Deployment
from controlplane.serving.progress import Progress
from controlplane.serving.rollout import Owned
from controlplane.serving.rollout_events import (
    RolloutAwaitsApproval,
    RolloutHandedOver,
    RolloutPaused,
    RolloutResumed,
    RolloutRollingBack,
    RolloutStepStarted,
    RunningRolloutEvent,
)
from controlplane.serving.states import Phase


def what_is_visible(
    owned: Owned, progress: Progress, *, hand_over: bool
) -> tuple[Deployment | None, ServingEvent | None]:
    """The deployment as it is to be shown and the event that says why; None, None for a silent tick."""
    event = _handed_over(owned) if hand_over else _announced(owned, progress)
    if event is None:
        return None, None
    shown = visible(owned.deployment, progress)
    if hand_over and shown.active is not None:
        shown = shown.with_changes(active=shown.active.model_copy(update={"execution": ""}))
    return shown, event


def visible(deployment: Deployment, progress: Progress) -> Deployment:
    """The deployment with the active rollout as far as a caller sees it at a glance."""
    active = deployment.active
    if active is None:
        return deployment
    seen = {
        "phase": progress.phase,
        "step": progress.step,
        "percent": progress.percent,
        "paused": progress.paused,
        "commands": tuple(c for c in active.commands if c.number > progress.commands),
    }
    return deployment.with_changes(active=active.model_copy(update=seen))


def _announced(owned: Owned, progress: Progress) -> RunningRolloutEvent | None:
    before, about = owned.active, _about(owned)
    if progress.phase is Phase.ROLLING_BACK and before.phase is not Phase.ROLLING_BACK:
        code = progress.outcome.reason.code if progress.outcome else ""
        return RolloutRollingBack(**about, reason=code)
    plan = owned.rollout.plan
    if progress.phase is Phase.BAKING and plan and not plan.policy.final_bake_seconds:
        return None  # the end is announced as soon as the gateway does it
    entered = (progress.phase, progress.step) != (before.phase, before.step)
    if entered and progress.phase is Phase.AWAITING_APPROVAL:
        verdict = progress.judgement.verdict if progress.judgement else "Inconclusive"
        return RolloutAwaitsApproval(**about, step=progress.step, reason=verdict)
    if entered or progress.percent != before.percent:
        return RolloutStepStarted(**about, step=progress.step, percent=progress.percent)
    if progress.paused != before.paused:
        return RolloutPaused(**about) if progress.paused else RolloutResumed(**about)
    return None


def _handed_over(owned: Owned) -> RolloutHandedOver:
    return RolloutHandedOver(**_about(owned))


def _about(owned: Owned) -> dict[str, Any]:
    return {
        "tenant_id": owned.reference.tenant_id,
        "project": owned.reference.project,
        "deployment": owned.reference.deployment,
        "rollout_id": owned.active.rollout_id,
        "model_version": owned.active.model_version,
    }
