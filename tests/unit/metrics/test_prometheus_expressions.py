"""Expressions name the series of one deployment's revision and of no other."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from controlplane.adapters import metric_queries
from controlplane.adapters.kserve_routes import Split, header_matches, http_route
from controlplane.adapters.metric_queries import counts_copies, read_queries
from controlplane.adapters.prometheus_expressions import (
    counted,
    queries_for,
    route_rules,
    selectors,
)
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.settings import HeaderRule
from tests.unit.metrics.requests_of_readings import CANARY, STABLE, reading_request

FILES = sorted(Path(metric_queries.__file__).with_name("queries").glob("*.json"))
OF_PROMETHEUS = [file.stem for file in FILES if file.stem != "embedded"]
HEADERS = (
    HeaderRule(header="x-ring", value="early"),
    HeaderRule(header="x-ring", value="late", to="Stable"),
    HeaderRule(header="x-user", value="me"),
)


def clusters_of(route: dict[str, Any]) -> dict[str, str]:
    """The clusters that Envoy Gateway makes of a route, and the revision that each one leads to.

    github.com/envoyproxy/gateway internal/gatewayapi: irRouteDestinationName, irDestinationSettingName and, for
    copies, processRequestMirrorFilter.
    """
    prefix = f"httproute/{route['metadata']['namespace']}/{route['metadata']['name']}/rule"
    found = {}
    for number, rule in enumerate(route["spec"]["rules"]):
        for index, backend in enumerate(rule["backendRefs"]):
            assert backend["filters"], "without one the backends of a rule are one cluster"
            found[f"{prefix}/{number}/backend/{index}"] = revision_of(backend)
        for index, each in enumerate(rule["filters"]):
            if "requestMirror" in each:
                mirror = revision_of(each["requestMirror"]["backendRef"])
                found[f"{prefix}/{number}-mirror-{index}"] = f"copies for {mirror}"
    return found


def revision_of(backend: dict[str, Any]) -> str:
    return str(backend["name"]).removesuffix("-predictor")


def matching(selector: str, clusters: dict[str, str]) -> set[str]:
    """Of these clusters those that the selector means; Prometheus anchors its regular expressions."""
    parsed: Any = promql_parser.parse(selector)
    (matcher,) = [one for one in parsed.matchers.matchers if one.name == "envoy_cluster_name"]
    return {name for name in clusters if re.fullmatch(matcher.value, name)}


@pytest.mark.parametrize("probes", [False, True])
@pytest.mark.parametrize("headers", [(), HEADERS[:1], HEADERS])
@pytest.mark.parametrize("mirror_percent", [0, 20])
def test_envoy_gateways_clusters_are_those_of_the_route_that_we_write(
    probes: bool, headers: tuple[HeaderRule, ...], mirror_percent: int
) -> None:
    split = Split(
        {STABLE: 90, CANARY: 10},
        header_matches(headers, CANARY, STABLE, probes=probes),
        CANARY,
        mirror_percent,
    )
    clusters = clusters_of(http_route("acme", "vision", "digits", split, ("ns", "gateway")))
    queries = read_queries("envoy_gateway")
    request = reading_request(headers=headers)

    for revision, is_canary in ((CANARY, True), (STABLE, False)):
        asked = selectors(queries, request, canary=is_canary)
        wanted = {name for name, leads_to in clusters.items() if leads_to == revision}
        assert matching(asked["requests"], clusters) == wanted, revision
    copies = selectors(queries, replace(request, mirrored=True), canary=True)["requests"]
    wanted = {name for name, to in clusters.items() if to == f"copies for {CANARY}"}
    assert matching(copies, clusters) == wanted
    assert bool(wanted) is bool(mirror_percent)


def test_a_first_revision_is_alone_in_the_route() -> None:
    assert route_rules(reading_request(stable=None), canary=True).startswith("(0/backend/0|")


@pytest.mark.parametrize("name", OF_PROMETHEUS)
def test_every_expression_is_one_that_prometheus_parses(name: str) -> None:
    queries = read_queries(name)
    for mirrored in (False, True) if counts_copies(name) else (False,):
        asked = selectors(queries, reading_request(mirrored=mirrored), canary=True)
        assert asked
        for selector in asked.values():
            parsed = promql_parser.parse(selector)
            assert isinstance(parsed, promql_parser.VectorSelector)
            assert "{" not in "".join(one.value for one in parsed.matchers.matchers).replace(
                "{namespace}", ""
            )
            promql_parser.parse(counted(selector, 1_700_000_000.25, 60, "by (le) "))


@pytest.mark.parametrize("name", OF_PROMETHEUS)
def test_every_series_is_of_the_tenants_namespace(name: str) -> None:
    for selector in selectors(read_queries(name), reading_request(), canary=True).values():
        assert re.search(
            r'="tenant-acme"|httproute/tenant-acme/|-predictor\[\.\]tenant-acme\[\.\]svc', selector
        ), selector
        assert "globex" not in selector


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_says_where_its_names_are_from_and_whether_they_are_proven(file: Path) -> None:
    queries = json.loads(file.read_text())

    assert queries["source"]
    status, _, why = queries["status"].partition(" ")
    # "read": in the component's source, and tried on series that were written after it.
    assert status in ("proven", "read")
    test = re.search(r"tests/\S+\.py", why)
    assert test
    assert Path(test[0]).is_file()


@pytest.mark.parametrize(
    ("mechanism", "gateway", "file"),
    [
        (Mechanism.ROUTE, "envoy_gateway", "envoy_gateway"),
        (Mechanism.ROUTE, "istio", "istio"),
        (Mechanism.KNATIVE, "istio", "knative"),
        (Mechanism.SPEC_CANARY, "envoy_gateway", "kserve_server"),
        (Mechanism.SPEC_CANARY, "mlserver", "mlserver"),
        (Mechanism.GROUP, "envoy_gateway", "llm_inference_service"),
    ],
)
def test_each_mechanism_has_its_file(mechanism: Mechanism, gateway: str, file: str) -> None:
    assert queries_for(mechanism, gateway) is read_queries(file)


@pytest.mark.parametrize("name", ["nginx", "../secrets", "", "queries/istio"])
def test_a_gateway_without_a_file_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="use one of embedded, envoy_gateway"):
        read_queries(name)


@pytest.mark.parametrize("field", ["tenant_id", "project", "deployment"])
def test_no_name_that_means_something_in_a_regular_expression_gets_into_one(field: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        selectors(read_queries("envoy_gateway"), reading_request(**{field: "a.*"}), canary=True)
