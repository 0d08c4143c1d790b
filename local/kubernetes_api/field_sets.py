"""Sets of fields as ``managedFields`` records them.

A path is a tuple of elements in the notation of FieldsV1: ``f:<field>``, ``k:<keys of a list item>``,
``v:<value of a set>``.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from local.kubernetes_api.errors import Json
from local.kubernetes_api.schemas import FieldPath, ListRule, Schema

Path = tuple[str, ...]
MISSING: Any = object()

_SERVER_OWNED = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{field}")
        for field in (
            *("name", "namespace", "uid", "resourceVersion", "generation", "selfLink"),
            *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
            "managedFields",
        )
    }
)


def element(rule: ListRule, item: Any) -> str:
    """The path element that names one item of a list."""
    text = json.dumps(rule.identity(item), sort_keys=True, separators=(",", ":"))
    return f"k:{text}" if rule.keys else f"v:{text}"


def owned_paths(obj: Json, schema: Schema) -> set[Path]:
    """The paths of every leaf of `obj` (and of every keyed list item) that a manager can own."""
    return {path for path in _leaves(obj, schema, (), ()) if path[:2] not in _SERVER_OWNED}


def _leaves(value: Any, schema: Schema, fields: FieldPath, path: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value and not schema.is_atomic_map(fields):
        for name, child in value.items():
            yield from _leaves(child, schema, (*fields, name), (*path, f"f:{name}"))
        return
    rule = schema.list_rule(fields) if isinstance(value, list) and value else None
    if rule is None:
        yield path
        return
    for item in value:
        within = (*path, element(rule, item))
        yield within
        if rule.keys:
            yield from _leaves(item, schema, fields, within)


def value_at(document: Any, path: Path) -> Any:
    """The value under `path`, or MISSING."""
    for part in path:
        document = _step(document, part)
        if document is MISSING:
            return MISSING
    return document


def _step(document: Any, part: str) -> Any:
    if part.startswith("f:"):
        return document.get(part[2:], MISSING) if isinstance(document, dict) else MISSING
    at = _index(document, part)
    return MISSING if at is None else document[at]


def _index(items: Any, part: str) -> int | None:
    if not isinstance(items, list):
        return None
    wanted = json.loads(part[2:])
    if part.startswith("v:"):
        return items.index(wanted) if wanted in items else None
    rule = ListRule(tuple(wanted))
    matching = (
        i for i, one in enumerate(items) if isinstance(one, dict) and rule.identity(one) == wanted
    )
    return next(matching, None)


def differs(one: Any, other: Any, path: Path) -> bool:
    """Whether the two documents disagree at `path`; for a list item only its presence counts."""
    left, right = value_at(one, path), value_at(other, path)
    if path[-1].startswith("f:"):
        return bool(left is not right if MISSING in (left, right) else left != right)
    return (left is MISSING) is not (right is MISSING)


def without(document: Any, path: Path) -> Any:
    """A copy that lacks `path`; a map or list that this leaves empty goes too, as structured merge does."""
    if isinstance(document, dict):
        name = path[0][2:]
        if name not in document:
            return document
        rest = {key: value for key, value in document.items() if key != name}
        child = without(document[name], path[1:]) if len(path) > 1 else None
        return {**rest, name: child} if child not in (None, {}, []) else rest
    at = _index(document, path[0])
    if at is None:
        return document
    child = without(document[at], path[1:]) if len(path) > 1 else None
    return [*document[:at], *([child] if child not in (None, {}, []) else []), *document[at + 1 :]]


def to_fields(paths: Iterable[Path]) -> Json:
    """FieldsV1 of a set of paths."""
    root: Json = {}
    for path in sorted(paths):
        node = root
        for part in path:
            node = node.setdefault(part, {})
        node["."] = {}
    return _tidy(root)


def _tidy(node: Json) -> Json:
    """A leaf is written ``{}``; the dot stays only beside children."""
    if set(node) == {"."}:
        return {}
    return {part: child if part == "." else _tidy(child) for part, child in node.items()}


def from_fields(fields: Json, path: Path = ()) -> set[Path]:
    """The set of paths of a FieldsV1."""
    if not fields:
        return {path} if path else set()
    found: set[Path] = set()
    for part, child in fields.items():
        found |= {path} if part == "." else from_fields(child, (*path, part))
    return found
