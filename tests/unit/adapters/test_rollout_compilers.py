"""What the compilers are asked for beyond traffic: sizes, GPUs, draining; and that a plan needs no cluster."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from controlplane.adapters.kserve_manifests import inference_service
from controlplane.adapters.kserve_predictors import placing
from controlplane.adapters.node_offers import offers_gpus
from controlplane.adapters.rollout_group import LARGEST_WEIGHT, STABLE_WEIGHT, weight_for
from controlplane.adapters.rollout_shares import percentages
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import CATALOG
from controlplane.serving.settings import Autoscaling, DeploymentSettings, Resources

VERSION = ServedVersion(model="digits", number=3, uri="s3://m/3", format="sklearn", files={})
SPEC = RevisionSpec("acme", "vision", "digits", "r-00000001", VERSION, CATALOG["sklearn"])


def predictor(settings: DeploymentSettings, **where: bool) -> dict[str, Any]:
    spec = replace(SPEC, settings=settings)
    found: dict[str, Any] = inference_service(spec, Placement(**where))["spec"]["predictor"]
    return found


def test_a_plan_needs_neither_the_clusters_client_nor_its_transport() -> None:
    """An API function shows plans: what it imports counts."""
    program = (
        "import sys; import controlplane.adapters.rollout_compilers; "
        "sys.exit(any(m.partition('.')[0] in ('kubernetes', 'urllib3') for m in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_resources_and_bounds_are_those_of_the_settings() -> None:
    found = predictor(
        DeploymentSettings(
            resources=Resources(cpu="500m", memory="2Gi", gpus=2, gpu_type="l4"),
            autoscaling=Autoscaling(min_replicas=2, max_replicas=6, target=70),
        )
    )

    assert found["model"]["resources"] == {
        "requests": {"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "2Gi", "nvidia.com/gpu": "2"},
    }
    sizes = ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget")
    assert [found[name] for name in sizes] == [2, 6, "cpu", 70]
    assert found["nodeSelector"] == {"karpenter.k8s.aws/instance-gpu-name": "l4"}
    assert [each["key"] for each in found["tolerations"]] == ["nvidia.com/gpu"]


def test_gpus_of_a_tenant_with_nodes_of_its_own_are_on_those() -> None:
    found = predictor(DeploymentSettings(resources=Resources(gpus=1)), dedicated=True)

    assert found["nodeSelector"] == {"headrace.dev/tenant": "acme"}
    assert {each["key"] for each in found["tolerations"]} == {
        "headrace.dev/tenant",
        "nvidia.com/gpu",
    }


def test_a_model_that_nothing_could_wake_keeps_a_pod() -> None:
    assert (
        predictor(DeploymentSettings(autoscaling=Autoscaling(min_replicas=0)))["minReplicas"] == 1
    )


def test_a_pod_that_goes_waits_for_the_gateway_and_then_for_what_it_has_begun() -> None:
    found = predictor(DeploymentSettings())

    waited = found["model"]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert waited > 0
    assert found["terminationGracePeriodSeconds"] >= waited + 30


def test_a_runtime_is_told_the_name_and_the_protocol_as_it_needs_them() -> None:
    spec = replace(SPEC, runtime=CATALOG["mlflow"])
    model = inference_service(spec)["spec"]["predictor"]["model"]

    assert model["protocolVersion"] == "v2"
    assert {"name": "MLSERVER_MODEL_NAME", "value": "digits"} in model["env"]
    assert "args" not in model


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_model_moves_between_nodes_and_keeps_what_its_gpus_ask_for(gpus: int) -> None:
    settings = DeploymentSettings(resources=Resources(gpus=gpus, gpu_type="l4" if gpus else None))
    shared, own = predictor(settings), predictor(settings, dedicated=True)

    assert placing(shared, "acme", dedicated=False) == {}
    assert placing(own, "acme", dedicated=True) == {}
    assert _merged(shared, placing(shared, "acme", dedicated=True)) == own
    assert _merged(own, placing(own, "acme", dedicated=False)) == shared


def _merged(found: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(found)
    for name, value in change.items():
        deeper = isinstance(value, dict)
        merged[name] = _merged(merged.get(name, {}), value) if deeper else value
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize("percent", range(100))
def test_a_group_gives_the_canary_its_share(percent: int) -> None:
    weight = weight_for(percent)

    assert 1 <= weight <= LARGEST_WEIGHT
    assert percentages({"stable": STABLE_WEIGHT, "canary": weight})["canary"] == percent


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({}, {}),
        ({"a": 0}, {"a": 0}),
        ({"a": 1}, {"a": 100}),
        ({"a": 90, "b": 10}, {"a": 90, "b": 10}),
        ({"a": 1, "b": 1, "c": 1}, {"a": 34, "b": 33, "c": 33}),
        ({"a": 1, "b": 1_000_000}, {"a": 0, "b": 100}),
    ],
)
def test_shares_are_percentages_that_add_up(
    weights: dict[str, int], expected: dict[str, int]
) -> None:
    assert percentages(weights) == expected


def node(gpus: str = "1", **labels: str) -> dict[str, Any]:
    found = {name.replace("__", "/"): value for name, value in labels.items()}
    return {"metadata": {"labels": found}, "status": {"allocatable": {"nvidia.com/gpu": gpus}}}


def pool(*requirements: tuple[str, str, list[str]], limit: str = "8") -> dict[str, Any]:
    return {
        "spec": {
            "limits": {"nvidia.com/gpu": limit},
            "template": {
                "spec": {
                    "requirements": [
                        {"key": f"karpenter.k8s.aws/{key}", "operator": operator, "values": values}
                        for key, operator, values in requirements
                    ]
                }
            },
        }
    }


L4 = {"karpenter.k8s.aws/instance-gpu-name": "l4"}


@pytest.mark.parametrize(
    ("nodes", "pools", "kind", "expected"),
    [
        ([], [], None, False),
        ([node()], [], None, True),
        ([node("0")], [], None, False),
        ([node()], [], "l4", False),
        ([{**node(), "metadata": {"labels": L4}}], [], "l4", True),
        ([{**node(), "metadata": {"labels": {**L4, "headrace.dev/tenant": "b"}}}], [], "l4", False),
        ([], [pool()], "l4", True),
        ([], [pool(limit="0")], "l4", False),
        ([], [pool(("instance-category", "In", ["c", "m"]))], None, False),
        ([], [pool(("instance-category", "In", ["c", "g"]))], "l4", True),
        ([], [pool(("instance-gpu-name", "In", ["t4"]))], "l4", False),
        ([], [pool(("instance-gpu-name", "NotIn", ["l4"]))], "l4", False),
        ([], [pool(("instance-gpu-name", "DoesNotExist", []))], "l4", False),
    ],
)
def test_gpus_are_offered_by_nodes_that_are_there_or_could_be(
    nodes: list[dict[str, Any]], pools: list[dict[str, Any]], kind: str | None, expected: bool
) -> None:
    assert offers_gpus(nodes, pools, kind, None) is expected
