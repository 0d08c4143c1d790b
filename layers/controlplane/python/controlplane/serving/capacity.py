"""How large the stable revision must be. SAFE never touches it; LEAN shrinks it behind the steps that were passed.

A rollback of a SAFE rollout is one write of the route and nothing before it. A LEAN one first asks for the stable
revision's full size, and until it is there gives it at once as many of the requests as its copies can carry. After a
promotion there are no shares any more, and everything goes back at once. Knative sizes each revision by its requests
whatever is asked for: there LEAN would wait for copies that nobody brings, and is SAFE.
"""

from datetime import timedelta
from math import ceil

from controlplane.serving.cluster_ports import (
    Mechanism,
    Traffic,
    TrafficMark,
    TransitionObservation,
)
from controlplane.serving.effects import Effect, EffectKind
from controlplane.serving.progress import Progress
from controlplane.serving.strategy import Capacity, RolloutPolicy

# A bad version is not kept longer than this for want of copies of the good one.
GROWTH = timedelta(seconds=60)
_ROLL_BACK = Effect(EffectKind.ROLL_BACK)
_LAST_WORDS = frozenset({TrafficMark.PROMOTED, TrafficMark.ROLLED_BACK})


def sized(policy: RolloutPolicy, mechanism: Mechanism) -> RolloutPolicy:
    """The policy as it can be carried out: SAFE where the stable revision's size is not ours to choose."""
    if mechanism is not Mechanism.KNATIVE or policy.capacity is Capacity.SAFE:
        return policy
    return policy.model_copy(update={"capacity": Capacity.SAFE})


def full_size(
    policy: RolloutPolicy, present: int, least: int
) -> tuple[tuple[Effect, ...], int | None]:
    """The size that the stable revision is to have again, and what gives it back what a dead rollout took from it."""
    full = max(present, least)
    if policy.capacity is not Capacity.LEAN or not present or present >= least:
        return (), full or None
    return (Effect(EffectKind.RESIZE, replicas=full),), full


def shrink_after(
    progress: Progress, policy: RolloutPolicy, passed: int
) -> tuple[int | None, tuple[Effect, ...]]:
    """The stable revision's size when a step of that percentage is passed: enough for what it had in that step."""
    if policy.capacity is not Capacity.LEAN or not passed or not progress.replicas:
        return progress.shrunken, ()
    wanted = max(1, ceil(progress.replicas * (100 - passed) / 100))
    if wanted >= progress.replicas:
        return progress.shrunken, ()
    return wanted, (Effect(EffectKind.RESIZE, replicas=wanted),)


def back_to_stable(
    progress: Progress, observation: TransitionObservation, waited: timedelta
) -> tuple[tuple[Effect, ...], bool]:
    """The effects, and whether they send everything back, or only what the stable revision can carry yet."""
    full, present = progress.replicas, observation.stable_replicas
    if progress.shrunken is None or full is None:
        return (_ROLL_BACK,), True
    resize = Effect(EffectKind.RESIZE, replicas=full)
    divided = progress.percent < 100 and observation.mark not in _LAST_WORDS
    # Whoever has given the canary less meanwhile is not overruled in its favour.
    share = min(progress.percent, _asked_share(observation))
    if present >= full or waited >= GROWTH or not divided or not share:
        return (_ROLL_BACK, resize), True
    canary = min(share, 100 - 100 * present // full)
    return (resize, Effect(EffectKind.SHIFT, traffic=Traffic(canary))), False


def _asked_share(observation: TransitionObservation) -> int:
    """Percent of the requests that the canary has, or is about to have; 100 while nothing tells."""
    told = (observation.asked_percent, observation.canary_percent if observation.routed else None)
    return min((share for share in told if share is not None), default=100)
