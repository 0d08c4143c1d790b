"""The three patches that know nothing of field managers: merge, JSON and strategic merge.

Every function returns a new document and leaves its arguments alone.
"""

import copy
from typing import Any

from local.kubernetes_api.errors import StatusError, bad_request
from local.kubernetes_api.schemas import FieldPath, ListRule, Schema


class PatchError(ValueError):
    """A JSON patch that does not fit the document."""


def merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7396: maps merge, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(document) if isinstance(document, dict) else {}
    for field, value in patch.items():
        if value is None:
            merged.pop(field, None)
        else:
            merged[field] = merge_patch(merged.get(field), value)
    return merged


def json_patch(document: Any, operations: Any) -> Any:
    """RFC 6902. Raises 400 for a malformed patch and 422 for one that does not fit, as an API server does."""
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise bad_request("a JSON patch must be a list of operations")
    result = copy.deepcopy(document)
    for operation in operations:
        try:
            result = _operate(result, operation)
        except PatchError as failure:
            message = f"the server rejected our request due to an error in our request: {failure}"
            raise StatusError(422, "Invalid", message) from failure
    return result


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    name, path = operation.get("op"), _pointer(operation.get("path"))
    if name == "test":
        if _value(document, path) != operation.get("value"):
            raise PatchError(f"testing value {operation['path']} failed")
        return document
    if name == "remove":
        return _remove(document, path)
    if name in ("add", "replace"):
        if name == "replace":
            _value(document, path)
        return _set(document, path, operation.get("value"), insert=name == "add")
    if name in ("move", "copy"):
        source = _pointer(operation.get("from"))
        value = copy.deepcopy(_value(document, source))
        if name == "move":
            document = _remove(document, source)
        return _set(document, path, value, insert=True)
    raise bad_request(f"unknown JSON patch operation {name!r}")


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise bad_request(f"{text!r} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _position(sequence: list[Any], part: str, *, end: bool = False) -> int:
    if part == "-" and end:
        return len(sequence)
    if not part.isdecimal() or int(part) >= len(sequence) + end:
        raise PatchError(f"index {part} is out of range")
    return int(part)


def _value(document: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(document, list):
            document = document[_position(document, part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            raise PatchError(f"/{'/'.join(path)} does not exist")
    return document


def _set(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent = _value(document, path[:-1])
    if isinstance(parent, list):
        at = _position(parent, path[-1], end=insert)
        parent[at : at + (not insert)] = [value]
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise PatchError(f"/{'/'.join(path)} does not exist")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    _value(document, path)
    if not path:
        raise PatchError("the whole document cannot be removed")
    parent = _value(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return document


_DIRECTIVE = "$patch"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"


def strategic_merge_patch(document: Any, patch: Any, schema: Schema, path: FieldPath = ()) -> Any:
    """A merge patch in which lists with a merge key merge item by item.

    Understood are ``$patch`` (replace, delete, merge), ``$retainKeys``, ``$deleteFromPrimitiveList/…`` and
    ``$setElementOrder/…``, which is what kubectl sends.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return {}
    merged = dict(document) if isinstance(document, dict) and directive != "replace" else {}
    if _RETAIN in patch:
        merged = {field: merged[field] for field in merged if field in patch[_RETAIN]}
    for field, value in patch.items():
        if field.startswith(_DELETE):
            _delete_values(merged, field.removeprefix(_DELETE), value)
        elif not field.startswith("$"):
            _merge_field(merged, field, value, schema, (*path, field))
    for field, value in patch.items():
        if field.startswith(_ORDER):
            name = field.removeprefix(_ORDER)
            _reorder(merged, name, value, schema.list_rule((*path, name)))
    return merged


def _merge_field(
    merged: dict[str, Any], field: str, value: Any, schema: Schema, path: FieldPath
) -> None:
    rule = schema.list_rule(path)
    if value is None:
        merged.pop(field, None)
    elif isinstance(value, list) and rule:
        merged[field] = _merge_list(merged.get(field) or [], value, rule, schema, path)
    else:
        merged[field] = strategic_merge_patch(merged.get(field), value, schema, path)


def _merge_list(
    live: list[Any], patch: list[Any], rule: ListRule, schema: Schema, path: FieldPath
) -> list[Any]:
    if not rule.keys:
        return live + [value for value in patch if value not in live]
    if not all(isinstance(item, dict) for item in (*live, *patch)):
        raise bad_request(f"{'.'.join(path)}: an item is not an object")
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if _DIRECTIVE not in item]
    key, merged = rule.patch_key, list(live)
    for item in patch:
        if key not in item:
            raise bad_request(f"{'.'.join(path)}: an item lacks its merge key {key}")
        at = next((i for i, one in enumerate(merged) if one.get(key) == item[key]), None)
        if item.get(_DIRECTIVE) == "delete":
            merged[at if at is not None else len(merged) :] = (
                merged[at + 1 :] if at is not None else []
            )
        elif at is None:
            merged.append(strategic_merge_patch({}, item, schema, path))
        else:
            merged[at] = strategic_merge_patch(merged[at], item, schema, path)
    return merged


def _delete_values(merged: dict[str, Any], field: str, values: list[Any]) -> None:
    if field in merged:
        merged[field] = [value for value in merged[field] if value not in values]


def _reorder(merged: dict[str, Any], field: str, order: list[Any], rule: ListRule | None) -> None:
    """Put the items that `order` names in its order; the others keep their places behind them."""
    if rule is None or field not in merged:
        return
    key = rule.patch_key
    wanted = [one.get(key) if key else one for one in order]

    def rank(item: Any) -> int:
        identity = item.get(key) if key else item
        return wanted.index(identity) if identity in wanted else len(wanted)

    merged[field] = sorted(merged[field], key=rank)
