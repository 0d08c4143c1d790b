"""A tenant's objects in the cluster: what holds for every tenant and all limits."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given

from cdk.paths import ROOT
from controlplane.adapters.tenant_access import access
from controlplane.adapters.tenant_namespaces import Placement, namespaces, placement
from controlplane.adapters.tenant_nodes import node_pool
from controlplane.adapters.tenant_objects import KINDS, Manifest, object_path
from controlplane.adapters.tenant_queues import queues
from controlplane.adapters.tenant_quotas import quotas, runs_share, serving_share
from controlplane.limits import Isolation, Limits, TenantPlan
from tests.plans import objects_of, plans

GPU = "nvidia.com/gpu"


@given(plans())
def test_every_object_bears_its_tenants_labels_and_nobody_elses_name(plan: TenantPlan) -> None:
    own = {f"tenant-{plan.tenant_id}", f"tenant-{plan.tenant_id}-runs"}
    for manifest in objects_of(plan):
        metadata = manifest["metadata"]
        assert metadata["labels"]["headrace.dev/tenant"] == plan.tenant_id
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "headrace"
        if KINDS[manifest["kind"]].namespaced:
            assert metadata["namespace"] in own
        else:
            assert metadata["name"] in own
            assert "namespace" not in metadata


@given(plans(), plans())
def test_objects_of_two_tenants_never_meet(one: TenantPlan, other: TenantPlan) -> None:
    if one.tenant_id == other.tenant_id:
        return
    paths = {object_path(manifest) for manifest in objects_of(one)}

    assert paths.isdisjoint(object_path(manifest) for manifest in objects_of(other))


@given(plans())
def test_names_and_label_values_are_short_enough(plan: TenantPlan) -> None:
    for manifest in objects_of(plan):
        assert len(manifest["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in manifest["metadata"]["labels"].values())


@given(plans())
def test_the_two_shares_are_the_limit_exactly_and_serving_has_the_larger(plan: TenantPlan) -> None:
    limits, serving, runs = plan.limits, serving_share(plan.limits), runs_share(plan.limits)
    for amount in ("cpu_millicores", "memory_bytes", "gpus", "pods"):
        parts = getattr(serving, amount), getattr(runs, amount)
        assert sum(parts) == getattr(limits, amount)
        assert 0 <= parts[0] - parts[1] <= 1


@given(plans())
def test_quota_and_queue_together_allow_the_limit_and_no_more(plan: TenantPlan) -> None:
    hard = _of(quotas(plan), "ResourceQuota", "tenant-" + plan.tenant_id)["spec"]["hard"]
    nominal = {
        resource["name"]: resource
        for group in _of(queues(plan), "ClusterQueue")["spec"]["resourceGroups"]
        for flavor in group["flavors"]
        for resource in flavor["resources"]
    }

    assert all(resource["borrowingLimit"] == 0 for resource in nominal.values())
    assert _milli(hard["requests.cpu"]) + _milli(nominal["cpu"]["nominalQuota"]) == (
        plan.limits.cpu_millicores
    )
    assert int(hard["requests.memory"]) + int(nominal["memory"]["nominalQuota"]) == (
        plan.limits.memory_bytes
    )
    assert int(hard[f"requests.{GPU}"]) + nominal[GPU]["nominalQuota"] == plan.limits.gpus
    assert int(hard["pods"]) + nominal["pods"]["nominalQuota"] == plan.limits.pods


@given(plans())
def test_the_runs_quota_never_refuses_what_kueue_would_hold_back(plan: TenantPlan) -> None:
    """A pod counts from its creation, also while it waits in the queue."""
    hard = _of(quotas(plan), "ResourceQuota", f"tenant-{plan.tenant_id}-runs")["spec"]["hard"]

    assert set(hard) == {"pods", "services.loadbalancers", "services.nodeports"}


@given(plans())
def test_defaults_speak_of_no_gpu_and_give_what_the_quota_asks_for(plan: TenantPlan) -> None:
    made = quotas(plan)
    counted = {
        name.removeprefix("requests.")
        for name in _of(made, "ResourceQuota", "tenant-" + plan.tenant_id)["spec"]["hard"]
        if name in ("requests.cpu", "requests.memory")
    }
    for manifest in made:
        if manifest["kind"] != "LimitRange":
            continue
        (limit,) = manifest["spec"]["limits"]
        assert GPU not in json.dumps(limit)
        assert "max" not in limit
        assert counted <= set(limit["defaultRequest"])
        assert "memory" in limit["default"]


@given(plans())
def test_nodes_of_its_own_come_with_taint_label_and_limits(plan: TenantPlan) -> None:
    spec = node_pool(plan)["spec"]
    template, limits = spec["template"], spec["limits"]

    assert template["metadata"]["labels"] == {"headrace.dev/tenant": plan.tenant_id}
    assert template["spec"]["taints"] == [
        {"key": "headrace.dev/tenant", "value": plan.tenant_id, "effect": "NoSchedule"}
    ]
    assert int(limits[GPU]) == plan.limits.gpus
    assert _milli(limits["cpu"]) >= plan.limits.cpu_millicores
    assert int(limits["memory"]) >= plan.limits.memory_bytes
    assert spec["disruption"] == {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "15m"}


@given(plans())
def test_kueue_sends_a_dedicated_tenants_runs_to_its_own_nodes(plan: TenantPlan) -> None:
    made = {manifest["kind"]: manifest for manifest in queues(plan)}
    flavors = {
        flavor["name"]
        for group in made["ClusterQueue"]["spec"]["resourceGroups"]
        for flavor in group["flavors"]
    }

    if plan.isolation is Isolation.SHARED:
        assert "ResourceFlavor" not in made
        assert flavors == {"headrace-shared", "headrace-shared-gpu"}
        assert flavors == {
            manifest["metadata"]["name"]
            for manifest in _installed("kueue")
            if manifest["kind"] == "ResourceFlavor"
        }
        return
    flavor = made["ResourceFlavor"]
    assert flavors == {flavor["metadata"]["name"]}
    template = node_pool(plan)["spec"]["template"]
    assert flavor["spec"]["nodeLabels"] == template["metadata"]["labels"]
    (toleration,) = flavor["spec"]["tolerations"]
    (taint,) = template["spec"]["taints"]
    assert {name: toleration[name] for name in taint} == taint


def test_the_queue_is_the_one_for_pods_that_name_none() -> None:
    made = {manifest["kind"]: manifest for manifest in queues(_plan())}

    assert made["LocalQueue"]["metadata"]["name"] == "default"
    assert made["LocalQueue"]["metadata"]["namespace"] == "tenant-acme-runs"
    assert made["ClusterQueue"]["spec"]["cohortName"] == "headrace"
    assert made["ClusterQueue"]["spec"]["namespaceSelector"] == {
        "matchLabels": {"headrace.dev/tenant": "acme"}
    }


@pytest.mark.parametrize("isolation", Isolation)
def test_placement_is_read_from_the_namespace_as_it_was_written(isolation: Isolation) -> None:
    serving, runs = namespaces(TenantPlan("acme", isolation, Limits()))

    assert placement(serving) == Placement(dedicated=isolation is Isolation.DEDICATED)
    for manifest, level in ((serving, "restricted"), (runs, "baseline")):
        labels = manifest["metadata"]["labels"]
        modes = [
            labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")
        ]
        assert modes == [level] * 3


def test_only_the_pipelines_pods_get_a_token() -> None:
    accounts = {
        (manifest["metadata"]["namespace"], manifest["metadata"]["name"]): manifest[
            "automountServiceAccountToken"
        ]
        for manifest in access("acme")
        if manifest["kind"] == "ServiceAccount"
    }

    assert accounts == {
        ("tenant-acme", "models"): False,
        ("tenant-acme", "deployer"): False,
        ("tenant-acme-runs", "pipelines"): True,
    }


def test_bindings_stay_in_their_namespace_and_models_has_none() -> None:
    bound = set()
    for manifest in access("acme"):
        if manifest["kind"] == "RoleBinding":
            (subject,) = manifest["subjects"]
            assert subject["namespace"] == manifest["metadata"]["namespace"]
            bound.add((subject["name"], manifest["roleRef"]["name"]))

    assert bound == {("deployer", "headrace-deployer"), ("pipelines", "headrace-pipelines")}


def test_the_accounts_have_no_more_than_the_roles_that_they_may_bind() -> None:
    """The roles that tenants' accounts have are those that onboarding may bind, and it may escalate nothing."""
    roles = {
        manifest["metadata"]["name"]: manifest["rules"]
        for manifest in _installed("headrace")
        if manifest["kind"] == "ClusterRole"
    }
    bound = {
        manifest["roleRef"]["name"]
        for manifest in access("acme")
        if manifest["kind"] == "RoleBinding"
    }
    binding = [rule for rule in roles["headrace-onboarding"] if "bind" in rule["verbs"]]

    assert [set(rule["resourceNames"]) for rule in binding] == [bound]
    assert bound <= set(roles)
    everything = json.dumps(roles)
    assert "escalate" not in everything
    assert '"*"' not in everything
    assert "secrets" not in everything
    for rules in roles.values():
        for rule in rules:
            if "impersonate" in rule["verbs"]:
                assert rule["resourceNames"] == ["deployer"]


def _plan() -> TenantPlan:
    return TenantPlan("acme", Isolation.SHARED, Limits())


def _of(manifests: list[Manifest], kind: str, namespace: str | None = None) -> Any:
    (found,) = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and manifest["metadata"].get("namespace") == namespace
    ]
    return found


def _milli(quantity: str) -> int:
    return int(quantity.removesuffix("m"))


def _installed(folder: str) -> Iterator[Any]:
    for file in sorted((ROOT / "cluster" / folder).glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())
