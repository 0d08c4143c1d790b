"""The schemas of upstream's CustomResourceDefinitions, where they are at hand: `../shared/crds` beside the project."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

DEFINITIONS = Path(__file__).parents[2] / "shared" / "crds"
INFERENCE_SERVICES = "kserve/serving.kserve.io_inferenceservices.yaml"
LLM_INFERENCE_SERVICES = "kserve/serving.kserve.io_llminferenceservices.yaml"
HTTP_ROUTES = "gateway-api/gateway.networking.k8s.io_httproutes.yaml"
CLUSTER_QUEUES = "kueue/kueue.x-k8s.io_clusterqueues.yaml"
LOCAL_QUEUES = "kueue/kueue.x-k8s.io_localqueues.yaml"
RESOURCE_FLAVORS = "kueue/kueue.x-k8s.io_resourceflavors.yaml"
COHORTS = "kueue/kueue.x-k8s.io_cohorts.yaml"
NODE_POOLS = "karpenter/karpenter.sh_nodepools.yaml"
POD_MONITORS = "prometheus-operator/monitoring.coreos.com_podmonitors.yaml"
EC2_NODE_CLASSES = "karpenter-provider-aws/karpenter.k8s.aws_ec2nodeclasses.yaml"


@cache
def find_schema(definition: str, version: str) -> dict[str, Any] | None:
    """The schema of one version of a kind, with unknown fields refused; None where the definition is missing."""
    file = DEFINITIONS / definition
    if not file.exists():
        return None
    document = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)  # megabytes: libyaml's loader
    wanted = next(each for each in document["spec"]["versions"] if each["name"] == version)
    schema: dict[str, Any] = _strict(wanted["schema"]["openAPIV3Schema"])
    # The API server itself checks these, so definitions leave them open.
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def require_schema(definition: str, version: str) -> dict[str, Any]:
    """The schema; skips the test where the definition is missing."""
    schema = find_schema(definition, version)
    if schema is None:
        pytest.skip(f"upstream's definitions are not beside the project: no {definition}")
    return schema


def _strict(schema: Any) -> Any:
    """The schema with unknown fields refused, which an API server would drop in silence.

    Also where it would keep them (`x-kubernetes-preserve-unknown-fields`) beside fields that it names: none of our
    objects leans on that. An object without named fields stays open.
    """
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        strict["additionalProperties"] = False
    return strict
