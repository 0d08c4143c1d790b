"""The routes that a rollout writes, as the gateway reads them: who meets which revision."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from controlplane.adapters.rollout_compilers import PlannedRollouts
from controlplane.serving.cluster_ports import Mechanism, Traffic, Transition
from controlplane.serving.settings import HeaderRule
from local.gateway.backends import new_turns
from local.gateway.matching import Request
from local.gateway.routing_table import RoutingTable, compile_table
from tests.local.gateway.objects import GATEWAY, PORT, service, snapshot
from tests.scripted_cluster.world import transition

PATH = "/serving/tenant-acme/vision--digits/v1/models/digits:predict"
V1, V2 = "vision--digits--v1-predictor", "vision--digits--v2-predictor"
PLANS = PlannedRollouts(GATEWAY)
RULES = (
    HeaderRule(header="X-Group", value="b"),
    HeaderRule(header="X-Group", value="a", to="Stable"),
)


@pytest.fixture
def wanted() -> Transition:
    return replace(transition(2, Mechanism.ROUTE, stable=1), headers=RULES)


def served(wanted: Transition, traffic: Traffic | None) -> RoutingTable:
    (change,) = PLANS.roll_back(wanted) if traffic is None else PLANS.shift(wanted, traffic)
    metadata = {**change.body["metadata"], "generation": 1}
    route = {**change.body, "metadata": metadata | {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    services = tuple(service(name) for name in (V1, V2))
    table = compile_table(snapshot(route, services=services), GATEWAY, PORT, new_turns())
    (compiled,) = table.routes
    assert not compiled.invalid
    return table


def meets(table: RoutingTable, **headers: str) -> Counter[str]:
    """Of a thousand requests, to which Service each goes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    entry = table.find(Request("POST", "127.0.0.1", PATH, "", named))
    assert entry is not None
    random = Random(1)
    chosen = [entry.rule.choose_backend(random) for _ in range(1000)]
    return Counter(backend.service for backend in chosen if backend)


def test_requests_go_by_weight_and_exceptions_by_header(wanted: Transition) -> None:
    table = served(wanted, Traffic(10, probes=True))

    assert 70 < meets(table)[V2] < 130
    assert meets(table, x_group="b") == {V2: 1000}
    assert meets(table, x_group="a") == {V1: 1000}
    assert meets(table, x_headrace_probe="canary") == {V2: 1000}
    assert meets(table, x_headrace_probe="stable") == {V1: 1000}
    assert 70 < meets(table, x_group="c")[V2] < 130


def test_copies_go_to_the_canary_and_no_request_does(wanted: Transition) -> None:
    table = served(wanted, Traffic(0, mirror_percent=25))

    assert meets(table) == {V1: 1000}
    entry = table.find(Request("POST", "127.0.0.1", PATH, "", {}))
    assert entry is not None
    (mirror,) = entry.rule.mirrors
    assert (mirror.backend.service, mirror.numerator, mirror.denominator) == (V2, 25, 100)


def test_after_a_rollback_nobody_meets_the_canary_whatever_is_sent(wanted: Transition) -> None:
    table = served(wanted, None)

    for headers in ({}, {"x_group": "b"}, {"x_headrace_probe": "canary"}):
        assert meets(table, **headers) == {V1: 1000}
    entry = table.find(Request("POST", "127.0.0.1", PATH, "", {}))
    assert entry is not None
    assert entry.rule.mirrors == ()
