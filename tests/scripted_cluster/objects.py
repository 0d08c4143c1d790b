"""A store of Kubernetes objects with the semantics of writes that the rollouts lean on.

Server-side apply keeps what another kind of write has set and the applied object does not name; a JSON patch is done
whole or not at all; a resourceVersion in a write is a condition of it.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from local.kubernetes_api.errors import StatusError
from local.kubernetes_api.patches import json_patch, merge_patch

Json = dict[str, Any]
Admission = Callable[[Json], str | None]
APPLY, MERGE, PATCH = (
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/json-patch+json",
)


class RefusedError(Exception):
    """What the API server answers instead of doing it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Objects:
    """By path. `admission` says why an object is refused, or None."""

    admission: Admission
    found: dict[str, Json] = field(default_factory=dict)
    _patched: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)
    _version: int = 0

    def write(self, path: str, kind: str, body: Any) -> Json:
        """A client's write: admitted or refused, and with a new generation if the spec changed."""
        before = self.found.get(path)
        wanted = body.get("metadata", {}).get("resourceVersion") if isinstance(body, dict) else None
        if wanted and (before is None or before["metadata"]["resourceVersion"] != wanted):
            raise RefusedError(409, "the object has been modified")
        if before is None and kind != APPLY:
            raise RefusedError(404, f"{path} not found")
        changed = self._changed(path, kind, before or {}, body)
        reason = self.admission(changed)
        if reason:
            raise RefusedError(400, f"admission webhook denied the request: {reason}")
        if before is None or changed.get("spec") != before.get("spec"):
            generation = (before or {}).get("metadata", {}).get("generation", 0) + 1
            changed["metadata"]["generation"] = generation
        return self.put(path, changed)

    def put(self, path: str, content: Json) -> Json:
        """As it is, by a controller; nothing happens to what is so already."""
        before = self.found.get(path, {"metadata": {}})
        kept = {k: v for k, v in before["metadata"].items() if k in ("uid", "resourceVersion")}
        content = {**content, "metadata": {"generation": 1, **content["metadata"], **kept}}
        if before == content:
            return before
        self._version += 1
        content["metadata"]["resourceVersion"] = str(self._version)
        content["metadata"].setdefault("uid", f"uid-{self._version}")
        self.found[path] = content
        return content

    def _changed(self, path: str, kind: str, before: Json, body: Any) -> Json:
        owned = self._patched.setdefault(path, set())
        if kind == APPLY:
            kept = {at: _at(before, at) for at in owned if _at(body, at) is None}
            changed = {**deepcopy(before), **deepcopy(body)}
            changed["metadata"] = {**before.get("metadata", {}), **deepcopy(body["metadata"])}
            for at, value in kept.items():
                if value is not None:
                    _set(changed, at, value)
            self._patched[path] = set(kept)
            return changed
        if kind == MERGE:
            owned |= set(_leaves(body))
            return deepcopy(merge_patch(before, body))
        try:
            changed = json_patch(before, body)
        except StatusError as failed:
            raise RefusedError(failed.code, str(failed)) from failed
        owned |= {
            tuple(part.replace("~1", "/") for part in each["path"].split("/")[1:])
            for each in body
            if each["op"] != "test" and not any(p.isdecimal() for p in each["path"].split("/"))
        }
        return json.loads(json.dumps(changed))  # type: ignore[no-any-return]


def _leaves(change: Mapping[str, Any], at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in change.items():
        deeper = isinstance(value, Mapping)
        found += _leaves(value, (*at, name)) if deeper else [(*at, name)]
    return [each for each in found if each[:1] != ("metadata",) or "annotations" in each]


def _at(content: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _set(content: Json, path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        content = content.setdefault(part, {})
    content[path[-1]] = value
