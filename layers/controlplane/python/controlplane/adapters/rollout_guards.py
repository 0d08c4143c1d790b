"""What keeps a write that comes late from undoing what was decided after it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from controlplane.adapters.rollout_changes import PROMOTED, ROLLED_BACK, TRAFFIC, TRAFFIC_ROLLOUT
from controlplane.errors import ConcurrentChangeError
from controlplane.serving.cluster_ports import ClusterChange, Transition

# What a rollout may still do after what it did last.
_LEFT = {PROMOTED: frozenset({PROMOTED}), ROLLED_BACK: frozenset({ROLLED_BACK})}


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
    mine = _rollout_of(found) == transition.rollout_id
    done = found["metadata"]["annotations"].get(TRAFFIC, "") if mine else ""
    return [_tied(change, found, done) if change.path == path else change for change in changes]


def is_last(found: Mapping[str, Any] | None, transition: Transition) -> bool:
    """Whether no rollout after this one has written the object's traffic; their ids are in order of time."""
    return _rollout_of(found) <= transition.rollout_id


def _rollout_of(found: Mapping[str, Any] | None) -> str:
    annotations = (found or {"metadata": {}})["metadata"].get("annotations") or {}
    return str(annotations.get(TRAFFIC_ROLLOUT, ""))


def _tied(change: ClusterChange, found: Mapping[str, Any], done: str) -> ClusterChange:
    if change.verb == "json-patch":
        return change  # its own tests say on what it depends
    metadata = change.body.get("metadata", {})
    wanted = metadata.get("annotations", {}).get(TRAFFIC)
    if done in _LEFT and wanted not in _LEFT[done]:
        raise ConcurrentChangeError(
            f"this rollout has left the traffic of {found['metadata']['name']} as {done} already"
        )
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    return replace(change, body=change.body | {"metadata": metadata | version})
