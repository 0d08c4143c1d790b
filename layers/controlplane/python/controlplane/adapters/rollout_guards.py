"""What keeps a write that comes late from undoing what was decided after it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from controlplane.adapters.kserve_manifests import STOP, SUSPENSION
from controlplane.adapters.rollout_changes import (
    ROLLED_BACK,
    TRAFFIC,
    TRAFFIC_ROLLOUT,
    TRAFFIC_SINCE,
)
from controlplane.errors import ConcurrentChangeError
from controlplane.serving.cluster_ports import ClusterChange, TrafficMark, Transition

_LAST_WORDS = frozenset({TrafficMark.PROMOTED, TrafficMark.ROLLED_BACK})


def tie(
    changes: Sequence[ClusterChange],
    found: Mapping[str, Any] | None,
    path: str,
    transition: Transition,
) -> Sequence[ClusterChange]:
    """The changes, those of the object at `path` valid only for its state as it was found.

    Raises ConcurrentChangeError when this rollout's last word about the traffic is spoken.
    """
    if found is None:
        return changes
    done = mark_of(found, transition)
    return [_tied(change, found, done) if change.path == path else change for change in changes]


def tie_end(
    changes: Sequence[ClusterChange],
    found: Mapping[str, Any] | None,
    path: str,
    transition: Transition,
) -> Sequence[ClusterChange]:
    """The same for what is done after the end; nothing when a rollout that began later has written the traffic.

    And what was stopped after the end stays so.
    """
    if found is None:
        return changes
    if is_a_later_ones(found, transition):
        return []
    return [
        _at(_left_stopped(change, found), found) if change.path == path else change
        for change in changes
    ]


def mark_of(found: Mapping[str, Any] | None, transition: Transition) -> TrafficMark:
    """What this rollout did last with the object's traffic; NONE where another one was the last."""
    annotations = _annotations(found)
    if annotations.get(TRAFFIC_ROLLOUT) != transition.rollout_id:
        return TrafficMark.NONE
    said = annotations.get(TRAFFIC, "")
    return TrafficMark(said) if said in list(TrafficMark) else TrafficMark.NONE


def is_a_later_ones(found: Mapping[str, Any], transition: Transition) -> bool:
    """Whether a rollout that began later has written the object's traffic."""
    annotations = _annotations(found)
    mine = annotations.get(TRAFFIC_ROLLOUT, "") in ("", transition.rollout_id)
    return not mine and annotations.get(TRAFFIC_SINCE, "") >= transition.began


def as_last_word(change: ClusterChange) -> ClusterChange:
    """A change that nothing of its rollout comes after."""
    metadata = change.body.get("metadata", {})
    annotations = metadata.get("annotations") or {}
    if TRAFFIC not in annotations:
        return change
    spoken = metadata | {"annotations": annotations | {TRAFFIC: ROLLED_BACK}}
    return replace(change, body=change.body | {"metadata": spoken})


def _annotations(found: Mapping[str, Any] | None) -> Mapping[str, str]:
    return (found or {"metadata": {}})["metadata"].get("annotations") or {}


def _tied(change: ClusterChange, found: Mapping[str, Any], done: TrafficMark) -> ClusterChange:
    if change.verb == "json-patch":
        return change  # its own tests say on what it depends
    wanted = change.body.get("metadata", {}).get("annotations", {}).get(TRAFFIC)
    if done in _LAST_WORDS and wanted != done:
        raise ConcurrentChangeError(
            f"this rollout has left the traffic of {found['metadata']['name']} as {done} already"
        )
    return _at(change, found)


def _left_stopped(change: ClusterChange, found: Mapping[str, Any]) -> ClusterChange:
    """An object that is applied whole says that it is to run; whether it is, was said since."""
    present = _annotations(found)
    if change.verb != "apply" or present.get(STOP) != "true":
        return change
    metadata = change.body["metadata"]
    others = {k: v for k, v in metadata["annotations"].items() if k not in SUSPENSION}
    kept = others | {name: present[name] for name in SUSPENSION if name in present}
    return replace(change, body=change.body | {"metadata": metadata | {"annotations": kept}})


def _at(change: ClusterChange, found: Mapping[str, Any]) -> ClusterChange:
    """Valid only for the state of the object that was found."""
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    metadata = change.body.get("metadata", {}) | version
    return replace(change, body=change.body | {"metadata": metadata})
