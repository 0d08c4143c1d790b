"""The one table, through pydynox: plain values in and out, and the project's own errors.

Keys, for a tenant `acme` with a project `vision`; what is below a project has a partition of its own:

    TENANT#acme                  TENANT | POLICIES | QUOTAS | ADMINISTRATORS | WEBHOOKS | PROJECT#<project>
                                 PERSON#<name> | PRINCIPAL#<sub> | MACHINE#<name> | KEY#<id> | POLICY#<name>
                                 SUBSCRIPTION#… | WEBHOOK#<name> | WEBHOOKHEALTH#<name> | DELIVERY#<webhook>#<id>
                                 IDEMPOTENCY#<digest> | REJECTED#… | DENIAL#<actor>#<action>
    TENANT#acme#PROJECT#vision   MODEL#<model> | VERSION#<model>#<number> | UPLOAD#<model>#<upload>
                                 ALIASES#<model> | ALIASMOVE#<model>#<alias>#<sequence> | LINEAGE#<origin>#…
                                 REGISTRYPOLICY | SERVINGPOLICY | SIGNINGKEY#<name> | REVOKEDSIGNINGKEYS
                                 DEPLOYMENT#<deployment> | ROLLOUT#<deployment>#<rollout> | ROLLOUTWAIT#<deployment>
                                 HISTORY#… | TICK#…
    TENANT#acme#AUDIT            HEAD | RECORD#<sequence> | EVENT#… | ALL#… | ACTOR#… | RESOURCE#…
    PLATFORM                     TENANT#<tenant> | TIER#<tier> | SUBSCRIBER#<tier>#<tenant> | IDEMPOTENCY#<digest> | …
    PLATFORM#USER#<sub>          MEMBERSHIP

A deleted item stays for a while as a tombstone (`deleted_at`, `expires_at`; a project's stays) and counts as not there.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from pydynox import DynamoDBClient, SyncTransaction
from pydynox import exceptions as dynamodb

from controlplane.errors import ConcurrentChangeError, ThrottledError, UnavailableError
from controlplane.identifiers import PLATFORM
from controlplane.requests import Page, PageRequest

Item = dict[str, Any]

MAX_DEPTH = 32
_SCALARS = (str, int, bool, bytes, type(None))

BUGS = (
    dynamodb.ValidationException,
    dynamodb.IdempotentParameterMismatchException,
    dynamodb.AccessDeniedException,
    dynamodb.CredentialsException,
    dynamodb.ResourceNotFoundException,
    dynamodb.SerializationException,
)

# The client logs every key at DEBUG and every call at INFO.
logging.getLogger("pydynox").setLevel(logging.WARNING)


class ConditionFailedError(ConcurrentChangeError):
    """A single write's condition did not hold; `item` is what is stored, None if nothing is."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the item is not in the state that the write expects")
        self.item = item


class TransactionCancelledError(ConcurrentChangeError):
    """A transaction's condition did not hold, or it met another one: the state tells which."""


@dataclass(frozen=True)
class Key:
    """Primary key: partition and sort key."""

    pk: str
    sk: str

    def as_item(self) -> Item:
        return {"pk": self.pk, "sk": self.sk}


@dataclass(frozen=True)
class Write:
    """One part of a transaction. `update` is an update expression; without one the item is put."""

    key: Key
    item: Item = field(default_factory=dict)
    update: str = ""
    condition: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["put", "update", "check"] = "put"


def tenant_partition(tenant_id: str) -> str:
    """Where a tenant's own items lie; the platform's, for what belongs to no tenant (`identifiers.PLATFORM`)."""
    return "PLATFORM" if tenant_id == PLATFORM else f"TENANT#{tenant_id}"


def project_partition(tenant_id: str, project: str) -> str:
    return f"TENANT#{tenant_id}#PROJECT#{project}"


def is_tombstone(item: Item | None) -> bool:
    return item is None or "deleted_at" in item


class Table:
    """Strongly consistent reads and conditional writes on one table.

    `client` is asked for before each call: whose credentials it has depends on whom the call is for.
    """

    def __init__(self, client: Callable[[], DynamoDBClient], name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: Key) -> Item | None:
        with _own_errors():
            return self._client().sync_get_item(self._name, key.as_item(), consistent_read=True)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Those of at most 100 items that exist, in one call."""
        with _own_errors():
            found = self._client().sync_batch_get(
                self._name, [key.as_item() for key in keys], consistent_read=True
            )
        return {Key(item["pk"], item["sk"]): item for item in found}

    def put(self, write: Write) -> None:
        """One put. Raises ConditionFailedError with the stored item."""
        with _own_errors():
            self._client().sync_put_item(
                self._name,
                checked(write.key.as_item() | write.item),
                condition_expression=write.condition or None,
                expression_attribute_names=dict(write.names) or None,
                expression_attribute_values=dict(write.values) or None,
                return_values_on_condition_check_failure=bool(write.condition),
            )

    def query(self, pk: str, prefix: str, page: PageRequest, *, newest: bool = False) -> Page[Item]:
        """A page of the items whose sort key begins with a prefix, in its order or the reverse."""
        found = self.query_all(pk, page, prefix, newest=newest)
        return Page([item for item in found.items if not is_tombstone(item)], found.next_after)

    def query_all(
        self, pk: str, page: PageRequest, prefix: str = "", *, newest: bool = False
    ) -> Page[Item]:
        """The same, or of a whole partition, with what was deleted and has not expired yet.

        The next page begins after the last item kept: the client's own last key may lie beyond it.
        """
        start = {"pk": pk, "sk": page.after} if page.after else None
        with _own_errors():
            found = list(
                self._client().sync_query(
                    self._name,
                    "pk = :pk" + (" AND begins_with(sk, :prefix)" if prefix else ""),
                    expression_attribute_values={":pk": pk}
                    | ({":prefix": prefix} if prefix else {}),
                    limit=page.limit + 1,
                    scan_index_forward=not newest,
                    last_evaluated_key=start,
                    consistent_read=True,
                )
            )
        kept = [dict(item) for item in found[: page.limit]]
        return Page(kept, kept[-1]["sk"] if len(found) > page.limit else None)

    def delete_many(self, keys: Sequence[Key]) -> None:
        """Delete items for good, without an event; those that are not there are no error."""
        with _own_errors():
            self._client().sync_batch_write(self._name, delete_keys=[key.as_item() for key in keys])

    def transact(self, writes: Sequence[Write]) -> None:
        """All writes or none. Raises TransactionCancelledError: read the state to learn why."""
        with _own_errors():
            transaction = SyncTransaction(self._client())
            for write in writes:
                self._add(transaction, write)
            transaction.commit()

    def _add(self, transaction: SyncTransaction, write: Write) -> None:
        names, values = dict(write.names) or None, dict(write.values) or None
        condition = write.condition or None
        if write.kind == "put":
            transaction.put(
                self._name,
                checked(write.key.as_item() | write.item),
                condition_expression=condition,
                expression_attribute_names=names,
                expression_attribute_values=values,
            )
        elif write.kind == "update":
            transaction.update(
                self._name,
                write.key.as_item(),
                update_expression=write.update,
                condition_expression=condition,
                expression_attribute_names=names,
                expression_attribute_values=values,
            )
        else:
            transaction.condition_check(
                self._name,
                write.key.as_item(),
                condition_expression=write.condition,
                expression_attribute_names=names,
                expression_attribute_values=values,
            )


def checked(item: Item) -> Item:
    """The item, if all its values keep their type in the table. Raises TypeError otherwise.

    The client turns fractions into floats, and overflows its stack on values nested without end.
    """
    _check(item, 0)
    return item


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TypeError("an item is nested too deeply")
    if isinstance(value, dict):
        for inner in value.values():
            _check(inner, depth + 1)
    elif isinstance(value, list | set):
        for inner in value:
            _check(inner, depth + 1)
    elif not isinstance(value, _SCALARS):
        raise TypeError(f"an item cannot hold a {type(value).__name__}")


@contextmanager
def _own_errors() -> Iterator[None]:
    """Turn the client's errors into ours; what is a bug (validation, access, serialisation) stays as it is."""
    try:
        yield
    except dynamodb.ConditionalCheckFailedException as failed:
        raise ConditionFailedError(getattr(failed, "item", None)) from failed
    except dynamodb.TransactionCanceledException as cancelled:
        raise TransactionCancelledError(str(cancelled)) from cancelled
    except dynamodb.ProvisionedThroughputExceededException as throttled:
        raise ThrottledError("the table asks for fewer requests") from throttled
    except BUGS:
        raise
    except dynamodb.PydynoxException as failed:
        raise UnavailableError("the table did not answer") from failed
