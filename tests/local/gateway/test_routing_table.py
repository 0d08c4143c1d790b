"""The routing table: which route takes a request, and what a rule makes of it."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.backends import new_turns
from local.gateway.hostnames import candidates_for, host_of, intersect
from local.gateway.kubernetes_objects import Snapshot
from local.gateway.matching import Request, parse_match
from local.gateway.routing_table import RoutingTable, compile_table
from tests.local.gateway.objects import (
    GATEWAY,
    PORT,
    endpoint_slice,
    gateway,
    prefix,
    route,
    service,
    snapshot,
)


def table_of(found: Snapshot) -> RoutingTable:
    return compile_table(found, GATEWAY, PORT, new_turns())


def ask(
    path: str,
    *,
    method: str = "GET",
    host: str = "127.0.0.1",
    query: str = "",
    headers: dict[str, str] | None = None,
) -> Request:
    return Request(method, host, path, query, headers or {})


def winner(table: RoutingTable, request: Request) -> str | None:
    entry = table.find(request)
    return None if entry is None else f"{entry.rule.route[1]}/{entry.rule.index}"


def test_precedence_is_that_of_the_gateway_api() -> None:
    exact = {"path": {"type": "Exact", "value": "/a/b"}}
    header = {"headers": [{"name": "X-Canary", "value": "yes"}]}
    rules = [
        {"matches": [prefix("/a")]},
        {"matches": [prefix("/a/b")]},
        {"matches": [exact]},
        {"matches": [prefix("/a", method="POST")]},
        {"matches": [prefix("/a", **header)]},
        {"matches": [prefix("/a", queryParams=[{"name": "v", "value": "2"}])]},
    ]
    table = table_of(snapshot(route("r", rules)))
    assert winner(table, ask("/a")) == "r/0"
    assert winner(table, ask("/a/b/c")) == "r/1"
    assert winner(table, ask("/a/b")) == "r/2"
    canary = {"x-canary": "yes"}
    assert winner(table, ask("/a", method="POST", headers=canary)) == "r/3"
    assert winner(table, ask("/a", headers=canary, query="v=2")) == "r/4"
    assert winner(table, ask("/a", query="v=2&v=3")) == "r/5"
    assert winner(table, ask("/a", query="v=3&v=2")) == "r/0"
    assert winner(table, ask("/b")) is None


def test_of_equal_matches_the_oldest_route_then_the_first_name_wins() -> None:
    rules = [{"matches": [prefix("/a")]}]
    old = route("z", rules, created="2025-01-01T00:00:00Z")
    table = table_of(snapshot(route("b", rules), route("a", rules), old))
    assert winner(table, ask("/a")) == "z/0"
    table = table_of(snapshot(route("b", rules), route("a", rules)))
    assert winner(table, ask("/a")) == "a/0"


def test_regular_expressions_match_the_whole_value() -> None:
    expression = {"type": "RegularExpression", "value": "/v[0-9]+"}
    version = {"type": "RegularExpression", "name": "Accept", "value": "text/.*"}
    rules = [{"matches": [{"path": expression}]}, {"matches": [prefix("/h", headers=[version])]}]
    table = table_of(snapshot(route("r", rules)))
    assert winner(table, ask("/v12")) == "r/0"
    assert winner(table, ask("/v12/x")) is None
    assert winner(table, ask("/h", headers={"accept": "text/html"})) == "r/1"
    assert winner(table, ask("/h", headers={"accept": "a text/html"})) is None


MATCHES = st.fixed_dictionaries(
    {
        "path": st.fixed_dictionaries(
            {
                "type": st.sampled_from(["Exact", "PathPrefix", "RegularExpression"]),
                "value": st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/."]),
            }
        )
    },
    optional={
        "method": st.sampled_from(["GET", "POST"]),
        "headers": st.just([{"name": "X", "value": "1"}]),
        "queryParams": st.just([{"name": "q", "value": "1"}]),
    },
)
ROUTES = st.lists(
    st.tuples(
        st.lists(MATCHES, min_size=1, max_size=4),
        st.sampled_from(["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]),
    ),
    max_size=5,
)
REQUESTS = st.builds(
    ask,
    st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c/d", "/abc", "/a//b"]),
    method=st.sampled_from(["GET", "POST"]),
    query=st.sampled_from(["", "q=1"]),
    headers=st.sampled_from([{}, {"x": "1"}]),
)


@given(ROUTES, REQUESTS)
def test_lookup_finds_what_trying_all_matches_in_order_would_find(
    routes: list[tuple[list[dict[str, Any]], str]], request_: Request
) -> None:
    objects = [
        route(f"r{number}", [{"matches": [match]} for match in matches], created=created)
        for number, (matches, created) in enumerate(routes)
    ]
    fitting = [
        (_rank(match), item["metadata"]["creationTimestamp"], item["metadata"]["name"], index)
        for item in objects
        for index, rule in enumerate(item["spec"]["rules"])
        for match in rule["matches"]
        if parse_match(match).accepts(request_)
    ]
    expected = f"{min(fitting)[2]}/{min(fitting)[3]}" if fitting else None
    assert winner(table_of(snapshot(*objects)), request_) == expected


def _rank(match: dict[str, Any]) -> tuple[int, ...]:
    """The order of the specification, written down a second time."""
    kind, value = match["path"]["type"], match["path"]["value"]
    characters = len(value.rstrip("/")) if kind == "PathPrefix" else len(value)
    return (
        ["Exact", "RegularExpression", "PathPrefix"].index(kind),
        -characters,
        0 if "method" in match else 1,
        -len(match.get("headers", [])),
        -len(match.get("queryParams", [])),
    )


def test_the_most_specific_hostname_wins_and_none_matches_any() -> None:
    rules = [{"matches": [prefix("/")]}]
    table = table_of(
        snapshot(
            route("any", rules),
            route("wide", rules, hostnames=["*.example.com"]),
            route("narrow", rules, hostnames=["a.example.com"]),
            route("deep", [{"matches": [prefix("/deep")]}], hostnames=["*.b.example.com"]),
        )
    )
    assert winner(table, ask("/", host="a.example.com")) == "narrow/0"
    assert winner(table, ask("/", host="x.y.example.com")) == "wide/0"
    assert winner(table, ask("/deep", host="x.b.example.com")) == "deep/0"
    assert winner(table, ask("/", host="x.b.example.com")) == "wide/0"
    assert winner(table, ask("/", host="example.com")) == "any/0"


def test_hostnames_intersect_by_the_narrower() -> None:
    assert intersect("*", []) == ("*",)
    assert intersect("*.example.com", ["a.example.com", "b.org"]) == ("a.example.com",)
    assert intersect("a.example.com", ["*.example.com"]) == ("a.example.com",)
    assert intersect("*.example.com", ["example.com"]) == ()
    assert host_of("A.Example.com:80") == "a.example.com"
    assert host_of("[::1]:80") == "[::1]"
    assert list(candidates_for("a.b")) == ["a.b", "*.b", "*"]


def backend_of(found: Snapshot) -> Any:
    (backend,) = table_of(found).backends()
    return backend


REFERENCE = {"name": "s", "port": 80}


def with_backend(reference: dict[str, Any], **objects: Any) -> Snapshot:
    return snapshot(route("r", [{"backendRefs": [reference]}]), **objects)


def test_service_ports_lead_to_slice_ports_of_the_same_name() -> None:
    found = with_backend(
        {"name": "s", "port": 81},
        services=(service("s", {"http": 80, "other": 81}),),
        slices=(
            endpoint_slice("s", {"http": 9000, "other": 9001}),
            endpoint_slice("s", {"other": 9002}, name="s-2", address="::1"),
            endpoint_slice("s", {"other": 9003}, name="s-3", ready=False),
            endpoint_slice("s", {"other": 9004}, name="s-4", ready=None),
            endpoint_slice("t", {"other": 9005}),
        ),
    )
    assert set(backend_of(found).endpoints) == {
        "http://127.0.0.1:9001",
        "http://[::1]:9002",
        "http://127.0.0.1:9004",
    }


def test_endpoints_take_turns_even_over_a_recompilation() -> None:
    found = with_backend(
        REFERENCE,
        services=(service("s"),),
        slices=(
            endpoint_slice("s", {"http": 1}),
            endpoint_slice("s", {"http": 2}, name="s-2"),
        ),
    )
    turns = new_turns()
    asked: Counter[str] = Counter()
    for _ in range(10):
        (backend,) = compile_table(found, GATEWAY, PORT, turns).backends()
        asked[backend.next_endpoint() or ""] += 1
    assert set(asked.values()) == {5}


@pytest.mark.parametrize(
    ("reference", "objects", "reason"),
    [
        (REFERENCE, {}, "BackendNotFound"),
        ({"name": "s", "port": 8}, {"services": (service("s"),)}, "BackendNotFound"),
        ({**REFERENCE, "kind": "Secret"}, {}, "InvalidKind"),
        (REFERENCE, {"services": (service("s", type="ExternalName"),)}, "InvalidKind"),
        (
            {**REFERENCE, "namespace": "tenant-globex"},
            {"services": (service("s", namespace="tenant-globex"),)},
            "RefNotPermitted",
        ),
    ],
)
def test_unresolved_backends_say_why(
    reference: dict[str, Any], objects: dict[str, Any], reason: str
) -> None:
    backend = backend_of(with_backend(reference, **objects))
    assert backend.problem.reason == reason
    assert backend.next_endpoint() is None


@pytest.mark.parametrize(("service_name", "granted"), [("s", True), (None, True), ("t", False)])
def test_reference_grants_open_other_namespaces(service_name: str | None, granted: bool) -> None:
    source = {
        "group": "gateway.networking.k8s.io",
        "kind": "HTTPRoute",
        "namespace": "tenant-acme",
    }
    target = {"group": "", "kind": "Service"} | ({"name": service_name} if service_name else {})
    grant = {
        "metadata": {"namespace": "tenant-globex", "name": "g"},
        "spec": {"from": [source], "to": [target]},
    }
    reference = {**REFERENCE, "namespace": "tenant-globex"}
    services = (service("s", namespace="tenant-globex"),)
    backend = backend_of(with_backend(reference, services=services, grants=(grant,)))
    assert (backend.problem is None) == granted


def test_draws_follow_weights_and_a_seed_repeats_them() -> None:
    references = [{"name": n, "port": 80, "weight": w} for n, w in (("a", 3), ("b", 1), ("c", 0))]
    table = table_of(snapshot(route("r", [{"backendRefs": references}])))
    entry = table.find(ask("/"))
    assert entry is not None
    drawn = [
        [getattr(entry.rule.choose_backend(random), "service", None) for _ in range(4000)]
        for random in (Random(1), Random(1))
    ]
    assert drawn[0] == drawn[1]
    counts = Counter(drawn[0])
    assert set(counts) == {"a", "b"}
    assert counts["a"] == pytest.approx(3000, abs=150)


@pytest.mark.parametrize("references", [[], [{"name": "a", "port": 80, "weight": 0}]])
def test_no_weight_at_all_means_no_backend(references: list[dict[str, Any]]) -> None:
    entry = table_of(snapshot(route("r", [{"backendRefs": references}]))).find(ask("/"))
    assert entry is not None
    assert entry.rule.choose_backend(Random(1)) is None


def test_routes_of_other_gateways_are_ignored() -> None:
    others = [
        [{"name": "headrace"}],  # in the route's own namespace
        [{"namespace": "headrace-system", "name": "other"}],
        [{"namespace": "headrace-system", "name": "headrace", "kind": "Service", "group": ""}],
        [],
    ]
    for parents in others:
        assert table_of(snapshot(route("r", [{}], parents=parents))).routes == ()
    assert table_of(snapshot(route("r", [{}]), of=_of_another_class())).routes == ()


def _of_another_class() -> Any:
    found = gateway()
    found["spec"]["gatewayClassName"] = "other"
    return found


def test_a_malformed_rule_leaves_all_others_in_place() -> None:
    broken = {"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}
    strange = {"matches": [prefix("/x")], "backendRefs": [{"port": 80}]}
    table = table_of(snapshot(route("r", [broken, strange, {"matches": [prefix("/a")]}])))
    assert winner(table, ask("/a")) == "r/2"
    entry = table.find(ask("/x"))
    assert entry is not None
    assert entry.rule.problem is not None
