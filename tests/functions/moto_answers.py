"""Answers of moto's DynamoDB that cost what they hold.

Moto looks in each attribute's value for every type that DynamoDB has, under several spellings of each. A page of 100
items of some size so takes it most of a second, and on a busy machine more than our client waits for DynamoDB, which
needs milliseconds. Here it looks for the types that the value names, which is one, and writes them as before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
from moto.core.serialize import BaseJSONSerializer


@contextmanager
def prompt_answers() -> Iterator[None]:
    """Until the end of the block, moto writes an attribute's value by the type that it has."""
    with pytest.MonkeyPatch.context() as patch:
        method = "_serialize_type_structure"
        patch.setattr(BaseJSONSerializer, method, _prompt(getattr(BaseJSONSerializer, method)))
        yield


def _prompt(method: Callable[..., None]) -> Callable[..., None]:
    @wraps(method)
    def by_its_type(
        serializer: Any, serialized: dict[str, Any], value: Any, shape: Any, key: str
    ) -> None:
        if shape.name != "AttributeValue" or not isinstance(value, dict):
            method(serializer, serialized, value, shape, key)
            return
        written: dict[str, Any] = {}
        for letter, inner in value.items():
            serializer._serialize(written, inner, shape.members[letter], letter)
        serialized[key] = written

    return by_its_type
