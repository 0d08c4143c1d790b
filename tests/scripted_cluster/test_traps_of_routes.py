"""What a rollout behind our own route must not fall into. `docs/kserve-traps.md` lists all traps."""

import re
from typing import Any

import pytest

from controlplane.adapters.cluster_facts import read_facts
from controlplane.adapters.kserve_survey import survey_of
from controlplane.adapters.rollout_changes import Surroundings
from controlplane.adapters.rollout_compilers import compiler_of
from controlplane.identifiers import NAME_PATTERN
from controlplane.serving.cluster_ports import ROUTE_FEATURES, Mechanism, Traffic, Transition
from controlplane.serving.settings import HeaderRule
from tests.scripted_cluster.kserve import ROUTES
from tests.scripted_cluster.server import scripted_cluster
from tests.scripted_cluster.trap_scenes import (
    GROUP,
    KNATIVE,
    PLANS,
    ROOT,
    SPEC_CANARY,
    predictors_of,
    prepared,
    route_of,
    serving,
)
from tests.scripted_cluster.world import GATEWAY, NAME, REPLICAS, transition


def test_trap_a_route_is_always_written_whole() -> None:
    """An apply of the weights alone, by the same field manager, takes matches, rewrite and parents away."""
    wanted = transition(2, Mechanism.ROUTE, stable=1)
    changes = [
        *PLANS.shift(wanted, Traffic(10)),
        *PLANS.promote(wanted),
        *PLANS.roll_back(wanted),
        *(c for c in PLANS.finish(wanted, promoted=True) if c.verb == "apply"),
    ]

    assert len(changes) == 4
    for change in changes:
        assert change.verb == "apply"
        assert change.body["spec"]["parentRefs"]
        for rule in change.body["spec"]["rules"]:
            assert rule["matches"]
            assert rule["backendRefs"]
            assert rule["filters"][0]["type"] == "URLRewrite"


def test_trap_a_header_rule_is_a_rule_of_its_own() -> None:
    """A rule that rewrites a prefix is refused with two matches."""
    wanted = transition(2, Mechanism.ROUTE, stable=1)
    headers = (
        HeaderRule(header="x-a", value="1"),
        HeaderRule(header="x-b", value="2", to="Stable"),
    )
    with_headers = Transition(**{**vars(wanted), "headers": headers})

    rules = route_of(with_headers, Traffic(10, probes=True))["spec"]["rules"]

    assert len(rules) == 5
    assert {len(rule["matches"]) for rule in rules} == {1}


def test_trap_a_route_keeps_to_its_tenants_path() -> None:
    """A route in one tenant's namespace for another's path is accepted by an API server."""
    wanted = transition(2, Mechanism.ROUTE, stable=1)
    for rule in route_of(wanted, Traffic(10, probes=True))["spec"]["rules"]:
        for match in rule["matches"]:
            assert match["path"]["value"] == f"/serving/tenant-acme/{NAME}"
    policy = (ROOT / "cluster/policies/admission.yaml").read_text()
    assert "'/serving/' + object.metadata.namespace + '/'" in policy


def test_trap_backends_of_a_rule_are_told_apart_by_a_filter_of_their_own() -> None:
    """Envoy Gateway makes one cluster of a rule's backends otherwise (envoyproxy/gateway#6742)."""
    wanted = transition(2, Mechanism.ROUTE, stable=1)
    for rule in route_of(wanted, Traffic(10, mirror_percent=5))["spec"]["rules"]:
        values = [
            backend["filters"][0]["requestHeaderModifier"]["set"][0]["value"]
            for backend in rule["backendRefs"]
        ]
        assert values == [f"{NAME}--v1", f"{NAME}--v2"]


def test_trap_an_autoscaler_does_not_take_what_a_rollback_needs() -> None:
    """The stable revision gets fewer requests during a rollout, and its autoscaler would follow."""
    wanted = transition(2, Mechanism.ROUTE, stable=1)
    scaled = Surroundings(GATEWAY, floor=REPLICAS + 4)

    changes = compiler_of(Mechanism.ROUTE, scaled).prepare(wanted)

    assert changes[0].path.endswith("--v1")
    assert changes[0].body["spec"]["predictor"]["minReplicas"] == REPLICAS + 4


def test_a_route_that_somebody_deletes_is_seen_and_is_written_again() -> None:
    with serving(Mechanism.ROUTE) as world:
        wanted = prepared(world)
        world.shift(wanted, 10)
        assert world.observe(wanted).routed
        before = world.cluster.objects.found.pop(ROUTES + NAME)["spec"]

        assert not world.observe(wanted).routed

        world.shift(wanted, 10)
        assert world.observe(wanted).routed
        assert world.cluster.objects.found[ROUTES + NAME]["spec"] == before


@pytest.mark.parametrize(
    ("told", "lacks"),
    [
        ([{"name": "HTTPRouteRequestMirror"}], {"HTTPRouteRequestPercentageMirror"}),
        (["HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"], set()),
        ([{"name": "Gateway"}], set(ROUTE_FEATURES)),
        (None, set()),
    ],
    ids=["objects", "names", "neither", "silent"],
)
def test_trap_a_gateway_may_not_copy_requests(told: list[Any] | None, lacks: set[str]) -> None:
    """RequestMirror is an extended feature: what the class says that it has is read, and its silence is no answer."""
    with scripted_cluster() as cluster:
        group = "apis/gateway.networking.k8s.io/v1"
        gateway = {"metadata": {"name": "headrace"}, "spec": {"gatewayClassName": "some"}}
        cluster.objects.put(f"{group}/namespaces/headrace-system/gateways/headrace", gateway)
        status = {} if told is None else {"supportedFeatures": told}
        found = {"metadata": {"name": "some"}, "status": status}
        cluster.objects.put(f"{group}/gatewayclasses/some", found)

        facts = read_facts(cluster.api, GATEWAY, "kserve")

        assert survey_of(facts, GATEWAY, frozenset()).lacks == lacks


def test_trap_object_names_are_what_kserve_takes() -> None:
    """`[a-z]([-a-z0-9]*[a-z0-9])?`, with room for its suffixes."""
    for mechanism in Mechanism:
        for change in PLANS.prepare(transition(2, mechanism)):
            name = change.body["metadata"]["name"]
            assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
            assert len(f"{name}-predictor") <= 63
    assert re.fullmatch(NAME_PATTERN, "digits")


def test_trap_a_runtime_is_named_and_never_selected() -> None:
    """With sklearn and protocol v2 KServe may take MLServer, which has no V1."""
    for mechanism in (Mechanism.ROUTE, KNATIVE, SPEC_CANARY):
        predictors = predictors_of(PLANS.prepare(transition(2, mechanism, stable=1)))
        assert predictors
        for predictor in predictors:
            assert predictor["model"]["runtime"] == "kserve-sklearnserver"


def test_trap_one_model_name_over_all_revisions() -> None:
    """Arguments are appended to the runtime's, and the last --model_name counts."""
    for mechanism in (Mechanism.ROUTE, KNATIVE, SPEC_CANARY):
        for predictor in predictors_of(PLANS.prepare(transition(2, mechanism, stable=1))):
            assert predictor["model"]["args"] == ["--model_name=digits"]
    *_, llm = PLANS.prepare(transition(2, GROUP, stable=1))
    assert llm.body["spec"]["model"]["name"] == "digits"
