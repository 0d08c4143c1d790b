"""The status that the gateway writes, as pure functions: what it should be, given what it is.

Shapes and reasons are those of the Gateway API v1. `lastTransitionTime` changes only with the
condition's status, so that an unchanged route is never written again.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from local.gateway.attachment import Attachment, Listener, names_gateway
from local.gateway.backends import Problem
from local.gateway.kubernetes_objects import (
    CONTROLLER_NAME,
    GATEWAY_GROUP,
    KubernetesObject,
    ObjectKey,
    generation_of,
)
from local.gateway.routing_table import CompiledRoute, RoutingTable

Condition = dict[str, Any]
# (type, status, reason, message)
Verdict = tuple[str, str, str, str]


def route_status(compiled: CompiledRoute, gateway: ObjectKey, now: str) -> dict[str, Any]:
    """Return the status of a route: our parents anew, those of other gateways as they are."""
    ours, others = _parents(compiled.route, gateway)
    return {
        "parents": others
        + [
            {
                "parentRef": dict(attachment.parent),
                "controllerName": CONTROLLER_NAME,
                "conditions": _conditions(
                    _route_verdicts(compiled, attachment),
                    _previous_conditions(ours, attachment.parent),
                    generation_of(compiled.route),
                    now,
                ),
            }
            for attachment in compiled.attachments
        ]
    }


def abandoned_status(route: KubernetesObject, gateway: ObjectKey) -> dict[str, Any] | None:
    """Return the status of a route that no longer names this gateway; None where none is ours."""
    ours, others = _parents(route, gateway)
    return {"parents": others} if ours else None


def _parents(
    route: KubernetesObject, gateway: ObjectKey
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    # Two gateways of this controller may run side by side: each keeps to its own parents, or
    # they would take each other's away in turn.
    ours: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for parent in (route.get("status") or {}).get("parents") or ():
        controlled = parent["controllerName"] == CONTROLLER_NAME
        is_ours = controlled and names_gateway(parent["parentRef"], route, gateway)
        (ours if is_ours else others).append(parent)
    return ours, others


def _previous_conditions(
    parents: Iterable[Mapping[str, Any]], parent_ref: Mapping[str, Any]
) -> list[Condition]:
    for parent in parents:
        if parent["parentRef"] == parent_ref:
            return list(parent["conditions"])
    return []


def _route_verdicts(compiled: CompiledRoute, attachment: Attachment) -> list[Verdict]:
    invalid = compiled.invalid
    accepted = ("Accepted", "True", "Accepted", attachment.message)
    if not attachment.listeners:
        accepted = ("Accepted", "False", attachment.reason, attachment.message)
    elif len(invalid) == len(compiled.rules):
        accepted = ("Accepted", "False", invalid[0].reason, _messages(invalid))
    verdicts = [accepted, _resolved_refs(compiled.unresolved)]
    if invalid and accepted[1] == "True":
        verdicts.append(("PartiallyInvalid", "True", "UnsupportedValue", _messages(invalid)))
    return verdicts


def _resolved_refs(problem: Problem | None) -> Verdict:
    if problem:
        return ("ResolvedRefs", "False", problem.reason, problem.message)
    return ("ResolvedRefs", "True", "ResolvedRefs", "All backends are resolved")


def _messages(problems: Iterable[Problem]) -> str:
    return "; ".join(problem.message for problem in problems)


def gateway_status(gateway: KubernetesObject, table: RoutingTable, now: str) -> dict[str, Any]:
    """Return the status of the Gateway: its conditions, its address and its listeners."""
    status = gateway.get("status") or {}
    generation = generation_of(gateway)
    served = [listener for listener in table.listeners if listener.problem is None]
    previous = {found["name"]: found for found in status.get("listeners") or ()}
    return {
        "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
        "conditions": _conditions(
            _gateway_verdicts(len(served), len(table.listeners)),
            status.get("conditions") or [],
            generation,
            now,
        ),
        "listeners": [
            {
                "name": listener.name,
                "attachedRoutes": table.attached_routes(listener.name),
                "supportedKinds": [{"group": GATEWAY_GROUP, "kind": "HTTPRoute"}],
                "conditions": _conditions(
                    _listener_verdicts(listener),
                    previous.get(listener.name, {}).get("conditions") or [],
                    generation,
                    now,
                ),
            }
            for listener in table.listeners
        ],
    }


def _gateway_verdicts(served: int, total: int) -> list[Verdict]:
    if not served:
        message = "No listener can be served; see their conditions"
        return [
            ("Accepted", "False", "ListenersNotValid", message),
            ("Programmed", "False", "Invalid", message),
        ]
    reason = "Accepted" if served == total else "ListenersNotValid"
    return [
        ("Accepted", "True", reason, f"{served} of {total} listeners are served"),
        ("Programmed", "True", "Programmed", "The gateway listens on the loopback address"),
    ]


def _listener_verdicts(listener: Listener) -> list[Verdict]:
    resolved = ("ResolvedRefs", "True", "ResolvedRefs", "The listener refers to nothing")
    if listener.problem:
        reason, message = listener.problem
        programmed = ("Programmed", "False", "Invalid", message)
        return [("Accepted", "False", reason, message), programmed, resolved]
    return [
        ("Accepted", "True", "Accepted", "The listener is served"),
        ("Programmed", "True", "Programmed", "The listener is served"),
        resolved,
    ]


def accepted_class_status(gateway_class: KubernetesObject, now: str) -> dict[str, Any]:
    """Return the status of our GatewayClass."""
    verdict = ("Accepted", "True", "Accepted", "Served by the embedded gateway")
    previous = (gateway_class.get("status") or {}).get("conditions") or []
    return {"conditions": _conditions([verdict], previous, generation_of(gateway_class), now)}


def _conditions(
    verdicts: Iterable[Verdict], previous: Iterable[Condition], generation: int, now: str
) -> list[Condition]:
    before = {condition["type"]: condition for condition in previous}
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
            "lastTransitionTime": _since(before.get(kind), status, now),
        }
        for kind, status, reason, message in verdicts
    ]


def _since(before: Condition | None, status: str, now: str) -> str:
    if before is not None and before["status"] == status:
        return str(before["lastTransitionTime"])
    return now
