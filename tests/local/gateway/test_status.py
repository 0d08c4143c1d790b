"""Statuses: reasons for routes and listeners, and no change without a reason."""

from typing import Any

import pytest

from local.gateway.backends import new_turns
from local.gateway.kubernetes_objects import KubernetesObject, Snapshot
from local.gateway.routing_table import RoutingTable, compile_table
from local.gateway.status import abandoned_status, gateway_status, route_status
from tests.local.gateway.objects import GATEWAY, PORT, gateway, prefix, route, service, snapshot

NOW = "2026-02-02T00:00:00Z"
CORS = {"type": "CORS", "cors": {}}


def table_of(found: Snapshot) -> RoutingTable:
    return compile_table(found, GATEWAY, PORT, new_turns())


def conditions(found: Snapshot) -> dict[str, tuple[str, str]]:
    (compiled,) = table_of(found).routes
    (parent,) = route_status(compiled, GATEWAY, NOW)["parents"]
    assert parent["controllerName"] == "headrace.dev/gateway"
    return {c["type"]: (c["status"], c["reason"]) for c in parent["conditions"]}


def test_a_good_route_is_accepted_and_resolved() -> None:
    rules = [{"backendRefs": [{"name": "s", "port": 80}]}]
    assert conditions(snapshot(route("r", rules), services=(service("s"),))) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
    }


@pytest.mark.parametrize(
    ("item", "listener", "reason"),
    [
        (route("r", [{}], parents=[{"namespace": "headrace-system", "name": "headrace",
                                    "sectionName": "https"}]), {}, "NoMatchingParent"),
        (route("r", [{}]), {"allowedRoutes": {}}, "NotAllowedByListeners"),
        (route("r", [{}]), {"port": 1}, "NoMatchingParent"),
        (route("r", [{}], hostnames=["a.org"]), {"hostname": "*.b.org"},
         "NoMatchingListenerHostname"),
        (route("r", [{"filters": [CORS]}]), {}, "UnsupportedValue"),
    ],
)  # fmt: skip
def test_a_refused_route_says_why(
    item: KubernetesObject, listener: dict[str, Any], reason: str
) -> None:
    assert conditions(snapshot(item, of=gateway(**listener)))["Accepted"] == ("False", reason)


def test_a_route_with_one_bad_rule_is_partially_invalid() -> None:
    rules = [{"matches": [prefix("/a")]}, {"matches": [prefix("/b")], "filters": [CORS]}]
    found = conditions(snapshot(route("r", rules)))
    assert found["Accepted"] == ("True", "Accepted")
    assert found["PartiallyInvalid"] == ("True", "UnsupportedValue")


@pytest.mark.parametrize(("labels", "status"), [({"tier": "gold"}, "True"), ({}, "False")])
def test_a_listener_may_select_namespaces(labels: dict[str, str], status: str) -> None:
    expression = {"key": "tier", "operator": "In", "values": ["gold", "silver"]}
    allowed = {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [expression]}}}
    namespace = {"metadata": {"name": "tenant-acme", "labels": labels}}
    found = snapshot(route("r", [{}]), of=gateway(allowedRoutes=allowed), namespaces=(namespace,))
    assert conditions(found)["Accepted"][0] == status


def test_writing_a_status_again_changes_nothing_but_a_new_generation_shows() -> None:
    item = route("r", [{}])
    foreign = {"controllerName": "example.org/other", "parentRef": {"name": "x"}, "conditions": []}
    item["status"] = {"parents": [foreign]}
    first = route_status(table_of(snapshot(item)).routes[0], GATEWAY, NOW)
    assert foreign in first["parents"]
    item["status"] = first
    later = route_status(table_of(snapshot(item)).routes[0], GATEWAY, "2026-03-03T00:00:00Z")
    assert later == first
    item["metadata"]["generation"] = 2
    changed = route_status(table_of(snapshot(item)).routes[0], GATEWAY, "2026-03-03T00:00:00Z")
    condition = changed["parents"][1]["conditions"][0]
    assert (condition["observedGeneration"], condition["lastTransitionTime"]) == (2, NOW)
    assert abandoned_status(item, GATEWAY) == {"parents": [foreign]}


def test_a_gateway_leaves_the_status_of_its_sibling_alone() -> None:
    item = route("r", [{}])
    item["status"] = route_status(table_of(snapshot(item)).routes[0], GATEWAY, NOW)
    assert abandoned_status(item, ("headrace-system", "sibling")) is None


def test_the_gateway_counts_attached_routes_and_names_bad_listeners() -> None:
    found = gateway()
    found["spec"]["listeners"].append({"name": "tls", "port": 443, "protocol": "HTTPS"})
    status = gateway_status(found, table_of(snapshot(route("r", [{}]), of=found)), NOW)
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [
        ("Accepted", "True", "ListenersNotValid"),
        ("Programmed", "True", "Programmed"),
    ]
    http, tls = status["listeners"]
    assert (http["attachedRoutes"], tls["attachedRoutes"]) == (1, 0)
    assert tls["conditions"][0]["reason"] == "UnsupportedProtocol"
