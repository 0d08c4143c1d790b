"""The objects that Headrace writes, against upstream's own schemas, unknown fields refused."""

from copy import deepcopy
from typing import Any

from jsonschema import Draft202012Validator

from controlplane.adapters.kserve_manifests import http_route, inference_service
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import CATALOG
from tests.custom_resources import HTTP_ROUTES, INFERENCE_SERVICES, require_schema

SERVICES = (INFERENCE_SERVICES, "v1beta1")
ROUTES = (HTTP_ROUTES, "v1")


def faults(definition: str, version: str, manifest: dict[str, Any]) -> list[str]:
    """What of a manifest the definition does not allow, with its place."""
    found = Draft202012Validator(require_schema(definition, version)).iter_errors(manifest)
    return [f"{fault.json_path}: {fault.message}" for fault in found]


def spec() -> RevisionSpec:
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


def test_an_inference_service_is_what_kserve_defines() -> None:
    assert faults(*SERVICES, inference_service(spec())) == []


def test_a_route_is_what_the_gateway_api_defines() -> None:
    weights = {"vision--digits--v2": 0, "vision--digits--v3": 100}
    route = http_route("acme", "vision", "digits", weights, ("headrace-system", "headrace"))

    assert faults(*ROUTES, route) == []


def test_an_unknown_field_would_be_found() -> None:
    manifest = deepcopy(inference_service(spec()))
    manifest["spec"]["predictor"]["model"]["storageURL"] = "s3://elsewhere"

    assert len(faults(*SERVICES, manifest)) == 1
