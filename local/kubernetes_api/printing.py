"""Server-side printing: the ``Table`` that ``kubectl get`` asks for."""

import datetime
import functools
import json
import re
from collections.abc import Callable
from typing import Any

from local.kubernetes_api.errors import Json
from local.kubernetes_api.resources import Column, Resource

_STEP = re.compile(
    r"\.([A-Za-z_$](?:[\w/-]|\\\.)*)"  # .field, with escaped dots
    r"|\['([^']+)'\]"  # ['field']
    r"|\[(\*|\d+)\]"  # [*] or [0]
    r"|\[\?\(@\.([\w.]+)\s*==\s*([^)]+)\)\]"  # [?(@.field=="value")]
)
_NAME = Column("Name", ".metadata.name")
_AGE = Column("Age", ".metadata.creationTimestamp", "date")


def json_path(document: Any, path: str) -> list[Any]:
    """The values that a printer column's path finds; steps it does not know find nothing."""
    values, at = [document], 0
    while at < len(path):
        step = _STEP.match(path, at)
        if not step:
            return []
        at = step.end()
        values = [found for value in values for found in _follow(value, step)]
    return values


def _follow(value: Any, step: "re.Match[str]") -> list[Any]:
    field, quoted, index, condition, wanted = step.groups()
    if name := (field or quoted):
        name = name.replace("\\.", ".")
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if index == "*":
        return value
    if index:
        return value[int(index) : int(index) + 1]
    literal = _literal(wanted.strip())
    return [item for item in value if literal in json_path(item, f".{condition}")]


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _age(timestamp: Any) -> str:
    """How long ago, in the short form of kubectl: the two largest units while they matter."""
    try:
        then = datetime.datetime.fromisoformat(str(timestamp))
    except ValueError:
        return "<invalid>"
    seconds = int((datetime.datetime.now(datetime.UTC) - then).total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    for limit, text in (
        (120, f"{max(seconds, 0)}s"),
        (600, f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"),
        (3 * 3600, f"{minutes}m"),
        (8 * 3600, f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"),
        (48 * 3600, f"{hours}h"),
        (8 * 86400, f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"),
        (2 * 365 * 86400, f"{days}d"),
    ):
        if seconds < limit:
            return text
    return f"{days // 365}y"


def _data(obj: Json) -> Any:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _external_ip(obj: Json) -> Any:
    return ",".join((obj.get("spec") or {}).get("externalIPs") or ()) or "<none>"


def _ports(obj: Json) -> Any:
    ports = (obj.get("spec") or {}).get("ports") or ()
    return ",".join(f"{p.get('port')}/{p.get('protocol', 'TCP')}" for p in ports) or "<none>"


def _endpoints(obj: Json) -> Any:
    return (
        ",".join(
            f"{address.get('ip')}:{port.get('port')}"
            for subset in obj.get("subsets") or ()
            for address in subset.get("addresses") or ()
            for port in subset.get("ports") or ()
        )
        or "<none>"
    )


def _pod_ready(obj: Json) -> Any:
    statuses = (obj.get("status") or {}).get("containerStatuses") or ()
    total = len((obj.get("spec") or {}).get("containers") or ())
    return f"{sum(bool(one.get('ready')) for one in statuses)}/{total}"


def _pod_status(obj: Json) -> Any:
    status = obj.get("status") or {}
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    return status.get("reason") or status.get("phase") or "Pending"


def _restarts(obj: Json) -> Any:
    statuses = (obj.get("status") or {}).get("containerStatuses") or ()
    return sum(one.get("restartCount", 0) for one in statuses)


def _deployment_ready(obj: Json) -> Any:
    ready = (obj.get("status") or {}).get("readyReplicas", 0)
    return f"{ready}/{(obj.get('spec') or {}).get('replicas', 1)}"


def _involved(obj: Json) -> Any:
    involved = obj.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _role(obj: Json) -> Any:
    role = obj.get("roleRef") or {}
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _pod_selector(obj: Json) -> Any:
    selector = (obj.get("spec") or {}).get("podSelector") or {}
    labels = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join(labels) or "<none>"


def _used(obj: Json, *, of_limits: bool) -> Any:
    status = obj.get("status") or {}
    used = status.get("used") or {}
    return ", ".join(
        f"{name}: {used.get(name, 0)}/{hard}"
        for name, hard in sorted((status.get("hard") or {}).items())
        if name.startswith("limits.") is of_limits
    )


_CELLS: dict[tuple[str, str], Callable[[Json], Any]] = {
    ("Secret", "Data"): _data,
    ("ConfigMap", "Data"): _data,
    ("Service", "External-IP"): _external_ip,
    ("Service", "Port(s)"): _ports,
    ("Endpoints", "Endpoints"): _endpoints,
    ("Pod", "Ready"): _pod_ready,
    ("Pod", "Status"): _pod_status,
    ("Pod", "Restarts"): _restarts,
    ("Deployment", "Ready"): _deployment_ready,
    ("Event", "Object"): _involved,
    ("NetworkPolicy", "Pod-Selector"): _pod_selector,
    ("ResourceQuota", "Request"): functools.partial(_used, of_limits=False),
    ("ResourceQuota", "Limit"): functools.partial(_used, of_limits=True),
    ("RoleBinding", "Role"): _role,
    ("ClusterRoleBinding", "Role"): _role,
}


def _cell(resource: Resource, column: Column, obj: Json) -> Any:
    if not column.path.startswith("."):
        return _CELLS[resource.kind, column.path](obj)
    values = json_path(obj, column.path)
    if column.type == "date":
        return _age(values[0]) if values else "<unknown>"
    if not values:
        nothing = 0 if column.type == "integer" else "<none>"
        return None if resource.custom else nothing
    if len(values) == 1 and column.type in ("integer", "number"):
        return values[0]
    return ",".join(_text(value) for value in values)


def _columns(resource: Resource) -> list[Column]:
    """Name first and age last; a definition that has columns says itself whether it shows an age."""
    own_columns = resource.definition and resource.columns
    return [_NAME, *resource.columns, *(() if own_columns else (_AGE,))]


def table(
    resource: Resource, objects: list[Json], metadata: Json, include: str, *, head: bool
) -> Json:
    """A ``meta.k8s.io/v1`` Table; `include` is Metadata, Object or None, `head` adds the columns."""
    columns = _columns(resource)
    definitions = [
        {
            "name": column.name,
            "type": column.type,
            "format": "name" if column is _NAME else "",
            "description": "",
            "priority": column.priority,
        }
        for column in columns
    ]
    rows = [
        {
            "cells": [_cell(resource, column, obj) for column in columns],
            **_included(obj, include),
        }
        for obj in objects
    ]
    body: Json = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return {**body, "columnDefinitions": definitions if head else [], "rows": rows}


def _included(obj: Json, include: str) -> Json:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {"object": {**partial, "metadata": obj["metadata"]}}
