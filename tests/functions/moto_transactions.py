"""Transactions of moto that are isolated, and that cost what they touch.

Moto copies the whole table for every part of a transaction and puts the copy back when a condition fails. Whatever
another thread has written meanwhile is lost by that, which DynamoDB never does, and the copies make tests slow. Here
a transaction keeps the items that it names, nothing else runs during it, and only those items are put back.

Moto also ignores the token by which DynamoDB knows a transaction that its client sends again after a time-out: the
repeat would fail on the conditions that the first one has changed. Here it is given the first one's answer.
"""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace
from typing import Any

import pytest
from moto.dynamodb import models, responses
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

_alone = threading.RLock()
_GUARDED = ("put_item", "update_item", "delete_item", "get_item", "query", "scan")


@contextmanager
def isolated_transactions() -> Iterator[None]:
    """Until the end of the block, moto's DynamoDB keeps DynamoDB's promise."""
    backend = models.DynamoDBBackend
    with pytest.MonkeyPatch.context() as patch:
        for name in _GUARDED:
            patch.setattr(backend, name, _one_at_a_time(getattr(backend, name)))
        patch.setattr(backend, "transact_write_items", _transaction(backend.transact_write_items))
        handler = responses.DynamoHandler
        patch.setattr(handler, "transact_write_items", _once(handler.transact_write_items))
        patch.setattr(models, "copy", SimpleNamespace(copy=copy.copy, deepcopy=_copy_no_table))
        yield


def _one_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def alone(*arguments: Any, **named: Any) -> Any:
        with _alone:
            return method(*arguments, **named)

    return alone


def _once(method: Callable[..., Any]) -> Callable[..., Any]:
    answers: dict[str, Any] = {}

    @wraps(method)
    def once(handler: Any) -> Any:
        token = handler.body.get("ClientRequestToken")
        with _alone:
            if token is None or token not in answers:
                answer = method(handler)
                if token is None:
                    return answer
                answers[token] = answer
            return answers[token]

    return once


def _copy_no_table(value: Any, *memo: Any) -> Any:
    return value if isinstance(value, Table) else copy.deepcopy(value, *memo)


def _transaction(method: Callable[..., None]) -> Callable[..., None]:
    @wraps(method)
    def isolated(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        with _alone:
            touched = [_Touched(backend, operation) for operation in transact_items]
            try:
                method(backend, transact_items)
            except BaseException:
                for item in reversed(touched):
                    item.put_back()
                raise

    return isolated


class _Touched:
    """An item that a transaction names, and the length of the table's stream, as they were before."""

    def __init__(self, backend: Any, operation: dict[str, Any]) -> None:
        [(_, given)] = operation.items()
        self._table = backend.get_table(given["TableName"])
        names = (self._table.hash_key_attr, self._table.range_key_attr)
        found = given.get("Key") or given["Item"]
        self._hash, self._range = (DynamoType(found[name]) for name in names)
        self._item = copy.deepcopy(self._table.items.get(self._hash, {}).get(self._range))
        self._streamed = len(self._table.stream_shard.items) if self._table.stream_shard else 0

    def put_back(self) -> None:
        items = self._table.items[self._hash]
        if self._item is None:
            items.pop(self._range, None)
        else:
            items[self._range] = self._item
        if not items:
            del self._table.items[self._hash]
        if self._table.stream_shard:
            del self._table.stream_shard.items[self._streamed :]
