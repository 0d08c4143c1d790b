"""The schema of an InferenceService's status, from KServe's CustomResourceDefinition."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

DEFINITION = (
    Path(__file__).parents[4] / "shared/crds/kserve/serving.kserve.io_inferenceservices.yaml"
)


@cache
def _validator() -> Draft202012Validator | None:
    if not DEFINITION.exists():
        return None
    definition = yaml.safe_load(DEFINITION.read_text())
    version = next(each for each in definition["spec"]["versions"] if each["name"] == "v1beta1")
    schema = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return Draft202012Validator(_strict(schema))


def assert_conforms(status: dict[str, Any]) -> None:
    """Fail when `status` has a field, type or value that KServe's schema does not have.

    Says nothing where the definition is absent; `test_schema.py` reports that as a skip.
    """
    validator = _validator()
    if validator is not None:
        assert [error.message for error in validator.iter_errors(status)] == []


def require_definition() -> None:
    if not DEFINITION.exists():
        pytest.skip("KServe's CustomResourceDefinitions are not beside the project")


def _strict(schema: Any) -> Any:
    """The schema with unknown fields refused, which the definition itself would keep."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        strict["additionalProperties"] = False
    return strict
