"""Label and field selectors: parsed once a request, asked once an object."""

import re
from collections.abc import Callable
from typing import Any

from local.kubernetes_api.errors import Json, bad_request

Predicate = Callable[[Json], bool]
_SET_BASED = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^()]*\))")
_KEY = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$")


def label_selector(text: str) -> Predicate:
    """A predicate on whole objects for ``a=b,c!=d,e in (f,g),h notin (i),j,!k``.

    Raises a 400 StatusError on anything else.
    """
    requirements = [
        _label_requirement(part.strip())
        for part in _COMMA_OUTSIDE_PARENTHESES.split(text)
        if part.strip()
    ]

    def matches(obj: Json) -> bool:
        labels = obj.get("metadata", {}).get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


def _label_requirement(part: str) -> Predicate:
    if found := _SET_BASED.match(part):
        key = _checked(found[1], part)
        values = {value.strip() for value in found[3].split(",")}
        if found[2] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    for operator in ("!=", "==", "="):
        if operator in part:
            left, _, value = part.partition(operator)
            key, wanted = _checked(left.strip(), part), value.strip()
            if operator == "!=":
                return lambda labels: labels.get(key) != wanted
            return lambda labels: labels.get(key) == wanted
    if part.startswith("!"):
        absent = _checked(part[1:].strip(), part)
        return lambda labels: absent not in labels
    present = _checked(part, part)
    return lambda labels: present in labels


def _checked(key: str, part: str) -> str:
    if not _KEY.match(key):
        raise bad_request(f'unable to parse requirement: "{part}" is not a label selector')
    return key


def field_selector(text: str) -> Predicate:
    """A predicate for ``metadata.name=x,status.phase!=y``; any path of plain fields may be asked."""
    requirements: list[tuple[list[str], bool, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = re.match(r"^([A-Za-z.]+)\s*(!=|==|=)\s*(.*)$", part)
        if not found:
            raise bad_request(f'invalid field selector: "{part}"')
        requirements.append((found[1].split("."), found[2] != "!=", found[3]))

    def matches(obj: Json) -> bool:
        return all((_text(obj, path) == value) is equal for path, equal, value in requirements)

    return matches


def _text(obj: Json, path: list[str]) -> str:
    value: Any = obj
    for field in path:
        value = value.get(field) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def selection(labels: str, fields: str) -> Predicate:
    """Both selectors together; empty texts select everything."""
    by_label, by_field = label_selector(labels), field_selector(fields)
    return lambda obj: by_label(obj) and by_field(obj)
