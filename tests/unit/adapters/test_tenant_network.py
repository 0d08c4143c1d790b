"""What a tenant's pods may reach and be reached from, and nothing else."""

from collections.abc import Iterator

import pytest
from hypothesis import given

from controlplane.adapters.tenant_network import Openings, network
from controlplane.adapters.tenant_objects import Manifest
from controlplane.limits import TenantPlan
from tests.plans import OPENINGS, plans


@given(plans())
def test_nothing_is_open_but_what_is_named(plan: TenantPlan) -> None:
    """Peers are the own namespace's pods, platform namespaces by name, or the configured ranges."""
    platform = {"kube-system", "gateway", "pipelines", "monitoring"}
    ranges = {*OPENINGS.storage, *OPENINGS.api_server, "169.254.170.23/32"}
    for policy in network(plan.tenant_id, OPENINGS):
        for peer in _peers(policy):
            assert peer, "an empty peer is everybody"
            if "ipBlock" in peer:
                assert peer["ipBlock"]["cidr"] in ranges
            elif "namespaceSelector" in peer:
                labels = peer["namespaceSelector"]["matchLabels"]
                assert labels["kubernetes.io/metadata.name"] in platform
            else:
                assert peer["podSelector"]["matchExpressions"]


def test_both_namespaces_deny_everything_else() -> None:
    denying = [
        manifest
        for manifest in network("acme", OPENINGS)
        if manifest["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ]

    assert {manifest["metadata"]["namespace"] for manifest in denying} == {
        "tenant-acme",
        "tenant-acme-runs",
    }


def test_the_openings_are_these() -> None:
    """Written out once, so that a further one is seen in review."""
    found = {
        f"{policy['metadata']['namespace']}: {line}"
        for policy in network("acme", OPENINGS)
        for line in _lines(policy)
    }

    both = {
        "to kube-system UDP/53,TCP/53",
        "to 52.216.0.0/15 TCP/443",
        "to 169.254.170.23/32 TCP/80",
        "from monitoring any",
    }
    assert found == {
        *(
            f"{namespace}: {line}"
            for namespace in ("tenant-acme", "tenant-acme-runs")
            for line in both
        ),
        "tenant-acme: from gateway any",
        "tenant-acme: from own pods any",
        "tenant-acme: to own pods any",
        "tenant-acme-runs: to pipelines any",
        "tenant-acme-runs: to 10.100.0.0/16 TCP/443",
    }


def test_without_ranges_there_is_no_opening_rather_than_one_to_everywhere() -> None:
    made = network("acme", Openings())

    assert not [p for p in made if p["metadata"]["name"] in ("allow-storage", "allow-cluster-api")]
    for policy in made:
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            assert rule.get("to") or rule.get("from")


def test_what_is_no_range_is_refused() -> None:
    with pytest.raises(ValueError, match="s3"):
        Openings(storage=("s3.amazonaws.com",))


def _peers(policy: Manifest) -> Iterator[Manifest]:
    for rule in policy["spec"].get("ingress", ()):
        yield from rule["from"]
    for rule in policy["spec"].get("egress", ()):
        yield from rule["to"]


def _lines(policy: Manifest) -> Iterator[str]:
    for direction, field in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(direction, ()):
            ports = ",".join(f"{p['protocol']}/{p['port']}" for p in rule.get("ports", ())) or "any"
            for peer in rule[field]:
                yield f"{field} {_name(peer)} {ports}"


def _name(peer: Manifest) -> str:
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"])
    if "namespaceSelector" in peer:
        return str(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])
    return "own pods"
