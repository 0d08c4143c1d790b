"""Which listeners of the gateway a route attaches to, and why it does not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.gateway.hostnames import ANY_HOST, intersect
from local.gateway.kubernetes_objects import (
    GATEWAY_CLASS,
    GATEWAY_GROUP,
    KubernetesObject,
    ObjectKey,
    Objects,
    Snapshot,
)


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of the Gateway; `problem` says why this gateway does not serve it."""

    name: str
    port: int
    hostname: str
    allowed_routes: Mapping[str, Any]
    problem: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """What became of one parentRef: the listeners and hostnames it gave, or a reason why not."""

    parent: Mapping[str, Any]
    listeners: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()
    reason: str = "Accepted"
    message: str = "The route is served by this gateway"


def listeners_of(gateway: KubernetesObject | None, served_port: int) -> tuple[Listener, ...]:
    """Read a Gateway's listeners; those of another class's Gateway are none of ours."""
    if gateway is None or gateway["spec"].get("gatewayClassName") != GATEWAY_CLASS:
        return ()
    return tuple(_listener(entry, served_port) for entry in gateway["spec"].get("listeners") or ())


def _listener(entry: Mapping[str, Any], served_port: int) -> Listener:
    problem = None
    if entry["protocol"] != "HTTP":
        problem = ("UnsupportedProtocol", f"{entry['protocol']} is not served, only HTTP")
    elif entry["port"] != served_port:
        problem = ("PortUnavailable", f"only port {served_port} is served; set the port to it")
    return Listener(
        name=entry["name"],
        port=entry["port"],
        hostname=entry.get("hostname") or ANY_HOST,
        allowed_routes=entry.get("allowedRoutes") or {},
        problem=problem,
    )


def names_gateway(parent: Mapping[str, Any], route: KubernetesObject, gateway: ObjectKey) -> bool:
    """Say whether a parentRef in a route names this gateway."""
    namespace = parent.get("namespace") or route["metadata"].get("namespace", "")
    return (
        parent.get("group", GATEWAY_GROUP) == GATEWAY_GROUP
        and parent.get("kind", "Gateway") == "Gateway"
        and (namespace, parent["name"]) == gateway
    )


def parents_of(route: KubernetesObject, gateway: ObjectKey) -> list[Mapping[str, Any]]:
    """Return the parentRefs of a route that name this gateway, with their defaults written out."""
    return [
        {"group": GATEWAY_GROUP, "kind": "Gateway", **parent}
        for parent in route["spec"].get("parentRefs") or ()
        if names_gateway(parent, route, gateway)
    ]


def attach(
    route: KubernetesObject,
    parent: Mapping[str, Any],
    listeners: Iterable[Listener],
    gateway: ObjectKey,
    snapshot: Snapshot,
) -> Attachment:
    """Find the listeners that take the route for one of its parentRefs."""
    named = [listener for listener in listeners if _is_meant(parent, listener)]
    if not named:
        return Attachment(
            parent, reason="NoMatchingParent", message="The gateway serves no such listener"
        )
    namespace = route["metadata"].get("namespace", "")
    allowed = [
        listener
        for listener in named
        if _allows(listener.allowed_routes, namespace, gateway[0], snapshot.namespaces)
    ]
    if not allowed:
        return Attachment(
            parent,
            reason="NotAllowedByListeners",
            message=f"No listener allows HTTPRoutes of namespace {namespace}",
        )
    hostnames = route["spec"].get("hostnames") or ()
    common = {listener.name: intersect(listener.hostname, hostnames) for listener in allowed}
    attached = tuple(name for name, found in common.items() if found)
    if not attached:
        return Attachment(
            parent,
            reason="NoMatchingListenerHostname",
            message="No listener shares a hostname with the route",
        )
    merged = dict.fromkeys(name for found in common.values() for name in found)
    return Attachment(parent, attached, tuple(merged))


def _is_meant(parent: Mapping[str, Any], listener: Listener) -> bool:
    return (
        listener.problem is None
        and parent.get("sectionName") in {None, "", listener.name}
        and parent.get("port") in {None, listener.port}
    )


def _allows(
    allowed: Mapping[str, Any], namespace: str, gateway_namespace: str, namespaces: Objects
) -> bool:
    kinds = allowed.get("kinds") or [{"kind": "HTTPRoute"}]
    accepted = {(kind.get("group", GATEWAY_GROUP), kind["kind"]) for kind in kinds}
    if (GATEWAY_GROUP, "HTTPRoute") not in accepted:
        return False
    wanted = allowed.get("namespaces") or {}
    match wanted.get("from", "Same"):
        case "All":
            return True
        case "Selector":
            found = namespaces.get(("", namespace)) or {"metadata": {}}
            return _selects(wanted.get("selector") or {}, found["metadata"].get("labels") or {})
        case _:
            return namespace == gateway_namespace


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if any(
        labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()
    ):
        return False
    return all(_holds(term, labels) for term in selector.get("matchExpressions") or ())


def _holds(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    actual = labels.get(term["key"])
    match term["operator"]:
        case "In":
            return actual in term["values"]
        case "NotIn":
            return actual not in term["values"]
        case "Exists":
            return actual is not None
        case "DoesNotExist":
            return actual is None
        case _:
            return False
