"""The writes of a rollout in their order, told before any is done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from controlplane.serving.capacity import shrink_after
from controlplane.serving.cluster_ports import ClusterChange, RolloutCompiler, Traffic, Transition
from controlplane.serving.progress import Progress
from controlplane.serving.strategy import RolloutPolicy


@dataclass(frozen=True)
class PlannedWrite:
    """One write to the cluster: of an object that is applied, `diff` is what it changes in it (unified, of JSON)."""

    verb: str
    path: str
    diff: str


@dataclass(frozen=True)
class PlannedMove:
    name: str
    writes: Sequence[PlannedWrite]


def moves_of(
    transition: Transition, policy: RolloutPolicy, compiler: RolloutCompiler
) -> list[PlannedMove]:
    """Each is told by what it changes in what the one before left.

    A stable revision that is made smaller is taken to have its smallest size: how large it is only the cluster knows.
    """
    known = _present_objects(transition, compiler)
    moves = [_move("Prepare", compiler.prepare(transition), known)]
    progress = Progress(replicas=_least(transition))
    passed = 0
    for number, step in enumerate(policy.steps, start=1):
        traffic = Traffic(step.percent, step.mirror_percent, step.probes)
        changes = [*compiler.shift(transition, traffic)]
        shrunken, effects = shrink_after(progress, policy, passed)
        for effect in effects:
            changes += compiler.resize_stable(transition, effect.replicas)
        progress, passed = progress.with_changes(shrunken=shrunken), step.percent
        moves.append(_move(f"Step {number}: {step.percent} %", changes, known))
    if transition.stable is not None:
        # Told from where it can happen, and not part of the way to the end.
        moves += _ways_back(transition, progress, compiler, dict(known))
    moves.append(_move("Promote", compiler.promote(transition), known))
    moves.append(_move("When it has ended", compiler.finish(transition, promoted=True), known))
    return moves


def _ways_back(
    transition: Transition, progress: Progress, compiler: RolloutCompiler, known: dict[str, Any]
) -> list[PlannedMove]:
    """A stable revision that was made smaller gets its size before it gets all requests."""
    changes: list[ClusterChange] = []
    if progress.shrunken is not None and progress.replicas is not None:
        changes += compiler.resize_stable(transition, progress.replicas)
    changes += compiler.roll_back(transition)
    ended = compiler.finish(transition, promoted=False)
    return [
        _move("If it is rolled back", changes, known),
        _move("When it has been rolled back", ended, known),
    ]


def _least(transition: Transition) -> int | None:
    stable = transition.stable
    return max(1, stable.settings.autoscaling.min_replicas) if stable else None


def _present_objects(transition: Transition, compiler: RolloutCompiler) -> dict[str, Any]:
    """What the cluster has of the stable revision, as Headrace wrote it."""
    if transition.stable is None:
        return {}
    alone = Transition(
        transition.tenant_id,
        transition.project,
        transition.deployment,
        transition.rollout_id,
        transition.mechanism,
        transition.stable,
    )
    changes = (*compiler.prepare(alone), *compiler.promote(alone))
    return {change.path: change.body for change in changes if change.verb == "apply"}


def _move(name: str, changes: Sequence[ClusterChange], known: dict[str, Any]) -> PlannedMove:
    writes = []
    for change in changes:
        before = known.get(change.path) if change.verb == "apply" else None
        writes.append(PlannedWrite(change.verb, change.path, _diff(before, change.body)))
        if change.verb == "apply":
            known[change.path] = change.body
    return PlannedMove(name, writes)


def _diff(before: Any, after: Any) -> str:
    lines = unified_diff(_lines(before), _lines(after), "present", "planned", lineterm="", n=2)
    return "\n".join(lines)


def _lines(body: Any) -> list[str]:
    return [] if body is None else json.dumps(body, indent=2, sort_keys=True).splitlines()
