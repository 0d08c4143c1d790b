"""Field managers: who owns which field, and server-side apply.

The rules are those of the Kubernetes documentation, "Server-Side Apply": a manager that applies owns what its
configuration names; a field that another manager owns with a different value is a conflict; what a manager
named before and names no longer is removed unless somebody else owns it too.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from local.kubernetes_api.errors import Json, StatusError
from local.kubernetes_api.field_sets import (
    MISSING,
    Path,
    differs,
    element,
    from_fields,
    owned_paths,
    to_fields,
    value_at,
    without,
)
from local.kubernetes_api.schemas import FieldPath, Schema


@dataclass(frozen=True)
class Writer:
    """Who writes, through which version and subresource, and when (RFC 3339)."""

    manager: str
    api_version: str
    time: str
    operation: str = "Update"
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.manager, self.operation, self.subresource


@dataclass(frozen=True)
class Share:
    """What one writer owns."""

    writer: Writer
    paths: frozenset[Path]


Shares = dict[tuple[str, str, str], Share]


def read_shares(obj: Json) -> Shares:
    shares: Shares = {}
    for entry in obj["metadata"].get("managedFields") or ():
        if "manager" not in entry:
            continue
        writer = Writer(
            entry["manager"],
            entry.get("apiVersion", ""),
            entry.get("time", ""),
            entry.get("operation", "Update"),
            entry.get("subresource", ""),
        )
        shares[writer.key] = Share(writer, frozenset(from_fields(entry.get("fieldsV1") or {})))
    return shares


def write_shares(obj: Json, shares: Shares) -> Json:
    """`obj` with the managedFields of `shares`; a writer that owns nothing is not listed."""
    entries = [_entry(share) for share in shares.values() if share.paths]
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": {**metadata, **({"managedFields": entries} if entries else {})}}


def _entry(share: Share) -> Json:
    writer = share.writer
    return {
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": writer.api_version,
        "time": writer.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields(share.paths),
        **({"subresource": writer.subresource} if writer.subresource else {}),
    }


def track_update(live: Json, new: Json, writer: Writer, schema: Schema) -> Json:
    """`new` with its fields' owners: the writer gains what it changed, the others lose it."""
    shares = read_shares(new if new["metadata"].get("managedFields") else live)
    changed = {path for path in owned_paths(new, schema) if differs(live, new, path)}
    owned = shares[writer.key].paths if writer.key in shares else frozenset[Path]()
    for key, share in shares.items():
        if key != writer.key:
            shares[key] = replace(share, paths=_present(share.paths - changed, new))
    kept = _present(owned, new)
    if changed or kept != owned:
        shares[writer.key] = Share(writer, kept | changed)
    return write_shares(new, shares)


def _present(paths: Iterable[Path], obj: Json) -> frozenset[Path]:
    return frozenset(path for path in paths if value_at(obj, path) is not MISSING)


def apply(live: Json, applied: Json, writer: Writer, schema: Schema, *, force: bool) -> Json:
    """The object after `writer` applied its configuration to `live`, managedFields included.

    Raises a 409 StatusError that names the managers in the way, unless `force` takes their fields.
    """
    shares = read_shares(live)
    wanted = owned_paths(applied, schema)
    conflicts = {
        key: sorted(path for path in share.paths & wanted if differs(live, applied, path))
        for key, share in shares.items()
        if key != writer.key
    }
    conflicts = {key: paths for key, paths in conflicts.items() if paths}
    if conflicts and not force:
        raise _conflict([(shares[key].writer, paths) for key, paths in conflicts.items()])
    for key, paths in conflicts.items():
        shares[key] = replace(shares[key], paths=shares[key].paths - frozenset(paths))
    merged = merge(live, applied, schema)
    owned = shares[writer.key].paths if writer.key in shares else frozenset[Path]()
    for path in _abandoned(owned - wanted, [s for key, s in shares.items() if key != writer.key]):
        merged = without(merged, path)
    if owned != wanted or merged != live:
        shares[writer.key] = Share(writer, frozenset(wanted))
    for key, share in shares.items():
        shares[key] = replace(share, paths=_present(share.paths, merged))
    return write_shares(merged, shares)


def _abandoned(paths: frozenset[Path], others: list[Share]) -> list[Path]:
    """The paths that nobody else owns, shortest first: an item goes as a whole or stays with its keys."""
    owned = {
        path[:depth] for share in others for path in share.paths for depth in range(len(path) + 1)
    }
    return sorted((path for path in paths - owned if not _is_key(path)), key=len)


def _is_key(path: Path) -> bool:
    """Whether the path is one of the fields that name the list item around it."""
    inside = len(path) > 1 and path[-2].startswith("k:")
    return inside and path[-1][2:] in json.loads(path[-2][2:])


def merge(live: Any, applied: Any, schema: Schema, fields: FieldPath = ()) -> Any:
    """`live` with everything that `applied` names."""
    if isinstance(applied, dict) and isinstance(live, dict) and not schema.is_atomic_map(fields):
        merged = dict(live)
        for name, value in applied.items():
            merged[name] = (
                merge(live[name], value, schema, (*fields, name)) if name in live else value
            )
        return merged
    rule = schema.list_rule(fields)
    if rule is None or not isinstance(applied, list) or not isinstance(live, list):
        return applied
    items = {element(rule, item): item for item in live}
    for item in applied:
        name = element(rule, item)
        items[name] = merge(items[name], item, schema, fields) if name in items else item
    return list(items.values())


def dotted(path: Path) -> str:
    """A path as conflicts show it: ``.spec.containers[name="a"].image``."""
    return "".join(_dotted_part(part) for part in path)


def _dotted_part(part: str) -> str:
    if part.startswith("f:"):
        return f".{part[2:]}"
    if part.startswith("k:"):
        keys = part[3:-1].replace('":', "=").replace(',"', ",").removeprefix('"')
        return f"[{keys}]"
    return f"[={part[2:]}]"


def _conflict(found: list[tuple[Writer, list[Path]]]) -> StatusError:
    causes = [
        {"reason": "FieldManagerConflict", "message": _against(writer), "field": dotted(path)}
        for writer, paths in found
        for path in paths
    ]
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        parts = [
            _against(writer).replace("conflict with", "conflicts with")
            + ":\n"
            + "\n".join(f"- {dotted(path)}" for path in paths)
            for writer, paths in found
        ]
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(parts)
    return StatusError(409, "Conflict", message, {"causes": causes})


def _against(writer: Writer) -> str:
    subresource = f' with subresource "{writer.subresource}"' if writer.subresource else ""
    at = f" at {writer.time}" if writer.operation == "Update" else ""
    return f'conflict with "{writer.manager}"{subresource} using {writer.api_version}{at}'
