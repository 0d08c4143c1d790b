"""The cluster's objects as they are written, by the fields on which serving hangs."""

import json

from hypothesis import given
from hypothesis import strategies as st

from controlplane.adapters.kserve_manifests import inference_service
from controlplane.adapters.kserve_routes import (
    HeaderMatch,
    Split,
    http_route,
    shares_of,
    weights_of,
)
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.adapters.tenant_nodes import node_pool
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import CATALOG

URI = "s3://models-bucket/registry/tenant-acme/vision/digits/3"
SPEC = RevisionSpec(
    tenant_id="acme",
    project="vision",
    deployment="digits",
    rollout_id="r-00000001",
    version=ServedVersion(model="digits", number=3, uri=URI, format="sklearn", files={}),
    runtime=CATALOG["sklearn"],
)
GATEWAY = ("headrace-system", "headrace")
NAME = "vision--digits--v3"
PLAN = TenantPlan("acme", Isolation.DEDICATED, Limits())


def test_a_revision_is_one_inference_service_in_standard_mode() -> None:
    manifest = inference_service(SPEC)

    assert manifest["apiVersion"] == "serving.kserve.io/v1beta1"
    metadata = manifest["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (NAME, "tenant-acme")
    assert metadata["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    assert metadata["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert {
        name.removeprefix("headrace.dev/"): value
        for name, value in metadata["labels"].items()
        if name.startswith("headrace.dev/")
    } == {"tenant": "acme", "project": "vision", "deployment": "digits", "version": "3"}


def test_its_runtime_is_named_and_told_the_deployments_name() -> None:
    """All revisions answer to one model name, whatever KServe would choose."""
    predictor = inference_service(SPEC)["spec"]["predictor"]

    model = predictor["model"]
    assert (model["modelFormat"], model["runtime"]) == (
        {"name": "sklearn"},
        "kserve-sklearnserver",
    )
    assert (model["storageUri"], model["args"]) == (URI, ["--model_name=digits"])
    assert predictor["serviceAccountName"] == "models"
    assert predictor["minReplicas"] == 1
    assert "canaryTrafficPercent" not in json.dumps(predictor)


def test_its_pod_meets_the_level_restricted() -> None:
    predictor = inference_service(SPEC)["spec"]["predictor"]

    assert predictor["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert predictor["model"]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_keeps_to_its_tenants_nodes_when_the_tenant_has_any() -> None:
    shared = inference_service(SPEC)["spec"]["predictor"]
    dedicated = inference_service(SPEC, Placement(dedicated=True))["spec"]["predictor"]

    assert not {"nodeSelector", "tolerations"} & set(shared)
    assert dedicated["nodeSelector"] == {"headrace.dev/tenant": "acme"}
    (toleration,) = dedicated["tolerations"]
    (taint,) = node_pool(PLAN)["spec"]["template"]["spec"]["taints"]
    assert {name: toleration[name] for name in taint} == taint


def test_it_does_not_start_while_its_tenant_is_stopped() -> None:
    annotations = inference_service(SPEC, Placement(stopped=True))["metadata"]["annotations"]

    assert annotations["serving.kserve.io/stop"] == "true"
    # Written as well when it is to run: one that was stopped before starts again.
    running = inference_service(SPEC)["metadata"]["annotations"]
    assert running["serving.kserve.io/stop"] == "false"


def test_a_further_rollout_of_the_same_version_changes_the_object() -> None:
    again = RevisionSpec(**{**vars(SPEC), "rollout_id": "r-00000002"})

    first, second = inference_service(SPEC)["metadata"], inference_service(again)["metadata"]

    assert first["name"] == second["name"]
    assert first["annotations"] != second["annotations"]


def test_a_route_is_found_by_its_path_and_rewrites_it_away() -> None:
    manifest = http_route("acme", "vision", "digits", {NAME: 100}, GATEWAY)

    assert manifest["metadata"]["name"] == "vision--digits"
    assert manifest["metadata"]["namespace"] == "tenant-acme"
    (parent,) = manifest["spec"]["parentRefs"]
    assert (parent["namespace"], parent["name"]) == GATEWAY
    (rule,) = manifest["spec"]["rules"]
    path = "/serving/tenant-acme/vision--digits"
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": path}}]
    (rewrite,) = rule["filters"]
    assert rewrite["urlRewrite"]["path"] == {
        "type": "ReplacePrefixMatch",
        "replacePrefixMatch": "/",
    }


def test_every_backend_is_told_apart_by_a_header_of_its_own() -> None:
    weights = {NAME: 90, "vision--digits--v4": 10}

    manifest = http_route("acme", "vision", "digits", weights, GATEWAY)

    backends = manifest["spec"]["rules"][0]["backendRefs"]
    assert [(b["name"], b["port"], b["weight"]) for b in backends] == [
        (f"{NAME}-predictor", 80, 90),
        ("vision--digits--v4-predictor", 80, 10),
    ]
    headers = [
        header
        for backend in backends
        for change in backend["filters"]
        for header in change["requestHeaderModifier"]["set"]
    ]
    assert headers == [{"name": "x-headrace-revision", "value": name} for name in weights]


@given(
    st.dictionaries(
        st.integers(1, 999).map(lambda n: f"vision--digits--v{n}"), st.integers(0, 100), max_size=4
    )
)
def test_weights_are_read_as_they_were_written(weights: dict[str, int]) -> None:
    written = json.loads(json.dumps(http_route("acme", "vision", "digits", weights, GATEWAY)))

    assert weights_of(written) == weights


def test_a_weight_that_is_not_written_is_one() -> None:
    route = {"spec": {"rules": [{"backendRefs": [{"name": f"{NAME}-predictor"}]}, {}]}}

    assert weights_of(route) == {NAME: 1}
    assert weights_of({"spec": {}}) == {}


def test_what_a_header_or_copies_lead_to_has_traffic_too() -> None:
    """Whoever takes the traffic off a revision that goes must see all of it."""
    old, warm, new = (f"vision--digits--v{number}" for number in (1, 2, 3))
    by_header = Split({old: 100, warm: 0}, (HeaderMatch("x-team", "vision", new),))
    by_copies = Split({old: 100, warm: 0}, mirror=new, mirror_percent=20)

    routes = [
        http_route("acme", "vision", "digits", split, GATEWAY) for split in (by_header, by_copies)
    ]

    assert [shares_of(route) for route in routes] == [
        {old: 100, warm: 0, new: 1},
        {old: 100, warm: 0, new: 20},
    ]
    assert shares_of({"spec": {}}) == {}
