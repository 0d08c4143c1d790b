"""The schema of an InferenceService's status, from KServe's CustomResourceDefinition."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.custom_resources import INFERENCE_SERVICES, find_schema, require_schema


@cache
def _validator() -> Draft202012Validator | None:
    schema = find_schema(INFERENCE_SERVICES, "v1beta1")
    return Draft202012Validator(schema["properties"]["status"]) if schema else None


def assert_conforms(status: dict[str, Any]) -> None:
    """Fail when `status` has a field, type or value that KServe's schema does not have.

    Says nothing where the definition is absent; `test_schema.py` reports that as a skip.
    """
    validator = _validator()
    if validator is not None:
        assert [error.message for error in validator.iter_errors(status)] == []


def require_definition() -> None:
    require_schema(INFERENCE_SERVICES, "v1beta1")
