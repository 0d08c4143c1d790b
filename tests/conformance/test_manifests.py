"""Every object that Headrace writes, against what defines its kind, unknown fields refused.

Kinds of upstream projects are checked by the JSON schemas of their CustomResourceDefinitions. The rules in CEL beside
them (`x-kubernetes-validations`) are not evaluated: nothing here can, only an API server does. Built-in kinds are
checked by the models of the official client, which are generated from Kubernetes' own OpenAPI document.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import kubernetes
import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cdk.paths import ROOT
from controlplane.adapters.kserve_manifests import inference_service
from controlplane.adapters.kserve_routes import http_route
from controlplane.adapters.rollout_changes import Surroundings
from controlplane.adapters.rollout_compilers import compiler_of
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.adapters.tenant_objects import KINDS, Manifest
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.serving.cluster_ports import ClusterChange, Mechanism, Traffic, Transition
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import CATALOG
from controlplane.serving.settings import Autoscaling, DeploymentSettings, HeaderRule, Resources
from local.kubernetes_api.patches import json_patch, merge_patch
from tests import custom_resources
from tests.counts import count
from tests.custom_resources import find_schema, require_schema
from tests.plans import objects_of, plans

# Where each kind of another project is defined.
DEFINITIONS = {
    "InferenceService": custom_resources.INFERENCE_SERVICES,
    "LLMInferenceService": custom_resources.LLM_INFERENCE_SERVICES,
    "HTTPRoute": custom_resources.HTTP_ROUTES,
    "ClusterQueue": custom_resources.CLUSTER_QUEUES,
    "LocalQueue": custom_resources.LOCAL_QUEUES,
    "ResourceFlavor": custom_resources.RESOURCE_FLAVORS,
    "Cohort": custom_resources.COHORTS,
    "NodePool": custom_resources.NODE_POOLS,
    "EC2NodeClass": custom_resources.EC2_NODE_CLASSES,
    "PodMonitor": custom_resources.POD_MONITORS,
}
# The official client's class of each built-in kind.
BUILT_IN = {
    "Namespace": "V1Namespace",
    "ServiceAccount": "V1ServiceAccount",
    "RoleBinding": "V1RoleBinding",
    "ClusterRole": "V1ClusterRole",
    "ClusterRoleBinding": "V1ClusterRoleBinding",
    "NetworkPolicy": "V1NetworkPolicy",
    "ResourceQuota": "V1ResourceQuota",
    "LimitRange": "V1LimitRange",
    "ValidatingAdmissionPolicy": "V1ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding": "V1ValidatingAdmissionPolicyBinding",
}
DEDICATED = TenantPlan("acme", Isolation.DEDICATED, Limits())
CLIENT = kubernetes.client.ApiClient()
GATEWAY = ("headrace-system", "headrace")


def faults(manifest: Manifest) -> list[str]:
    """What of a manifest its kind does not allow, with its place. Skips where the kind's definition is missing."""
    kind = manifest["kind"]
    if kind in BUILT_IN:
        return _faults_of_built_in(manifest)
    version = manifest["apiVersion"].rpartition("/")[2]
    found = Draft202012Validator(require_schema(DEFINITIONS[kind], version)).iter_errors(manifest)
    return [f"{fault.json_path}: {fault.message}" for fault in found]


def _faults_of_built_in(manifest: Manifest) -> list[str]:
    model = getattr(kubernetes.client, BUILT_IN[manifest["kind"]])
    try:
        read = CLIENT.sanitize_for_serialization(model.from_dict(manifest))
    except pydantic.ValidationError as refused:
        return [f"{fault['loc']}: {fault['msg']}" for fault in refused.errors()]
    # The models also take Python's spelling of a field, which the API server does not.
    return [] if read == manifest else [f"written {manifest}, read {read}"]


def revision() -> RevisionSpec:
    version = ServedVersion(
        model="digits",
        number=3,
        uri="s3://models/registry/tenant-acme/vision/digits/3",
        format="sklearn",
        files={"model.joblib": "0" * 64},
    )
    return RevisionSpec(
        "acme", "vision", "digits", "r-0123456789abcdef", version, CATALOG["sklearn"]
    )


def installed() -> Iterator[Any]:
    """What GitOps installs."""
    for file in sorted((ROOT / "cluster").rglob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


def rollouts() -> Iterator[Manifest]:
    """All that the compilers apply, and what objects become by their patches, with every field that they know."""
    for mechanism in Mechanism:
        around = Surroundings(GATEWAY, Placement(dedicated=True, stopped=True), floor=3)
        compiler = compiler_of(mechanism, around)
        wanted = _transition(mechanism)
        steps: list[Sequence[ClusterChange]] = [
            compiler.prepare(replace(wanted, stable=None)),
            compiler.prepare(wanted),
            compiler.shift(wanted, _traffic(mechanism)),
            compiler.resize_stable(wanted, 1),
            compiler.roll_back(wanted),
            compiler.finish(wanted, promoted=False),
            compiler.promote(wanted),
            compiler.finish(wanted, promoted=True),
        ]
        yield from _written([change for changes in steps for change in changes])


def _written(changes: Sequence[ClusterChange]) -> Iterator[Manifest]:
    """Each object after each write of it; what is patched before it was applied is a stable revision's."""
    found: dict[str, Manifest] = {}
    for change in changes:
        before = found.get(change.path)
        if change.verb == "apply":
            found[change.path] = {**(before or {}), **change.body}
        elif before is not None:
            patch = json_patch if change.verb == "json-patch" else merge_patch
            found[change.path] = patch(before, change.body)
        else:
            continue
        yield deepcopy(found[change.path])


def _transition(mechanism: Mechanism) -> Transition:
    rules = (
        HeaderRule(header="x-group", value="b"),
        HeaderRule(header="x-group", value="a", to="Stable"),
    )
    settings = DeploymentSettings(
        resources=Resources(cpu="500m", memory="2Gi", gpus=1, gpu_type="l4"),
        autoscaling=Autoscaling(min_replicas=2, max_replicas=6, target=70),
    )
    key = "llm" if mechanism is Mechanism.GROUP else "mlflow"
    canary = replace(revision(), settings=settings, runtime=CATALOG[key])
    return Transition(
        tenant_id="acme",
        project="vision",
        deployment="digits",
        rollout_id="r-0123456789abcdef",
        mechanism=mechanism,
        canary=canary,
        stable=replace(canary, version=canary.version.model_copy(update={"number": 2})),
        headers=rules if mechanism is Mechanism.ROUTE else (),
    )


def _traffic(mechanism: Mechanism) -> Traffic:
    if mechanism is Mechanism.ROUTE:
        return Traffic(10, mirror_percent=25, probes=True)
    return Traffic(10)


def everything() -> list[Manifest]:
    """One of each object that Headrace writes, with every field that it knows."""
    weights = {"vision--digits--v2": 0, "vision--digits--v3": 100}
    return [
        inference_service(revision(), Placement(dedicated=True, stopped=True)),
        inference_service(revision()),
        http_route("acme", "vision", "digits", weights, GATEWAY),
        *rollouts(),
        *objects_of(DEDICATED),
        *objects_of(replace(DEDICATED, isolation=Isolation.SHARED)),
        *installed(),
    ]


@pytest.mark.parametrize("kind", [*DEFINITIONS, *BUILT_IN])
def test_every_object_is_what_its_kind_defines(kind: str) -> None:
    manifests = [manifest for manifest in everything() if manifest["kind"] == kind]

    assert manifests, f"Headrace writes no {kind}: take it off the list"
    for manifest in manifests:
        assert faults(manifest) == []


def test_no_object_goes_unchecked() -> None:
    written = Counter(manifest["kind"] for manifest in everything())

    assert set(written) == {*DEFINITIONS, *BUILT_IN}
    assert set(KINDS) <= set(written)
    count(f"objects of {len(written)} kinds checked against their definitions", written.total())


@given(plans())
def test_objects_of_any_tenant_with_any_limits_are_what_their_kinds_define(
    plan: TenantPlan,
) -> None:
    for manifest in objects_of(plan):
        if manifest["kind"] in BUILT_IN or find_schema(*_definition(manifest)):
            assert faults(manifest) == []


@given(st.data())
def test_an_unknown_field_would_be_found_anywhere(data: st.DataObject) -> None:
    """The guard itself: a field that no kind has, put into any object at any place that has a schema."""
    manifests = [m for m in everything() if m["kind"] in BUILT_IN or find_schema(*_definition(m))]
    manifest = deepcopy(data.draw(st.sampled_from(manifests)))
    place = data.draw(st.sampled_from(list(_structures(manifest))))
    place["headraceHasNoSuchField"] = True

    assert faults(manifest) != []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ResourceQuota", ("spec", "hard"), ["pods"]),
        ("NetworkPolicy", ("spec", "policyTypes"), "Ingress"),
        ("ServiceAccount", ("automountServiceAccountToken",), "false"),
        ("ClusterQueue", ("spec", "queueingStrategy"), "FIFO"),
        ("NodePool", ("spec", "disruption", "consolidationPolicy"), "Sometimes"),
        ("InferenceService", ("spec", "predictor", "model", "storageURL"), "s3://elsewhere"),
    ],
)
def test_a_wrong_value_would_be_found(kind: str, path: tuple[str, ...], value: object) -> None:
    manifest = deepcopy(next(m for m in everything() if m["kind"] == kind))
    place = manifest
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value

    assert faults(manifest) != []


def _definition(manifest: Manifest) -> tuple[str, str]:
    return DEFINITIONS[manifest["kind"]], manifest["apiVersion"].rpartition("/")[2]


# Maps whose keys are free: labels, quantities and the like.
_FREE = frozenset(
    {
        *("labels", "annotations", "matchLabels", "nodeLabels", "nodeSelector", "tags"),
        *("hard", "limits", "default", "defaultRequest"),
    }
)


def _structures(value: Any, name: str = "") -> Iterator[dict[str, Any]]:
    """Every object inside a manifest whose fields its kind names. Metadata is the API server's own affair."""
    if isinstance(value, list):
        for each in value:
            yield from _structures(each)
    elif isinstance(value, dict) and name not in _FREE:
        yield value
        for key, each in value.items():
            if key != "metadata":
                yield from _structures(each, key)
