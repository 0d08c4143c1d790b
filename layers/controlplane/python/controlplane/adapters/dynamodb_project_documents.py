"""What a project has one of, which is not there until it is set: its policies."""

from controlplane.adapters.dynamodb_items import put_over
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError


def read_document(table: Table, tenant_id: str, project: str, key: Key) -> Item | None:
    """None where it was never set. Raises NotFoundError for an unknown project."""
    of_project = project_key(tenant_id, project)
    found = table.get_many([of_project, key])
    if is_tombstone(found.get(of_project)):
        raise NotFoundError(f"there is no project {project}")
    return found.get(key)


def put_document(table: Table, key: Key, item: Item, what: str, of_project: Write) -> None:
    """Store it over the version before its own, if the write to its project holds: none is left behind a deleted one.

    Raises ConcurrentChangeError, which calls it `what`.
    """
    known = item["version"] - 1
    try:
        table.transact([put_over(key, item, known or None), of_project])
    except TransactionCancelledError as changed:
        raise ConcurrentChangeError(
            f"{what} has changed meanwhile", remedy="Try again."
        ) from changed
