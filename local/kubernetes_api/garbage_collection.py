"""What follows from a change, in the background: dependents of gone owners go, deleted namespaces empty."""

import asyncio
import logging

from local.kubernetes_api.authentication import SYSTEM
from local.kubernetes_api.errors import Json, StatusError
from local.kubernetes_api.operations import MERGE, Operations
from local.kubernetes_api.targets import Target, WriteOptions

logger = logging.getLogger("local.kubernetes_api")
_SYSTEM = WriteOptions("kube-controller-manager", user=SYSTEM)
FOREGROUND = "foregroundDeletion"


class GarbageCollector:
    """Sweeps once after every burst of changes, and again until a sweep finds nothing to do."""

    def __init__(self) -> None:
        self._due = asyncio.Event()

    def wake(self) -> None:
        self._due.set()

    async def run(self, operations: Operations) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            sweep(operations)
            await asyncio.sleep(0)


def sweep(operations: Operations) -> None:
    """One pass over everything; a deletion wakes the next pass."""
    everything = list(operations.store.everything())
    uids = {obj["metadata"]["uid"] for _, obj in everything}
    leaving = {o["metadata"]["uid"] for _, o in everything if FOREGROUND in _pending(o)}
    blocked: set[str] = set()
    for storage, obj in everything:
        owners = {owner.get("uid", "") for owner in obj["metadata"].get("ownerReferences") or ()}
        blocked |= owners & leaving
        if owners and not owners & (uids - leaving):
            _delete(operations, storage, obj)
    for storage, obj in everything:
        if FOREGROUND in _pending(obj) and obj["metadata"]["uid"] not in blocked:
            _release(operations, storage, obj)
        if storage == "/namespaces":
            _tend_namespace(operations, obj)


def _ensure_account(operations: Operations, namespace: Json) -> None:
    try:
        operations.ensure_account(namespace)
    except StatusError as refusal:  # a quota may leave no room for it
        logger.warning("no default account in %s: %s", namespace["metadata"]["name"], refusal)


def _pending(obj: Json) -> list[str]:
    """The finalizers that hold back an object being deleted."""
    metadata = obj["metadata"]
    return list(metadata.get("finalizers") or ()) if "deletionTimestamp" in metadata else []


def _target(operations: Operations, storage: str, obj: Json) -> Target | None:
    resource = operations.table.of_storage(storage)
    metadata = obj["metadata"]
    if resource is None:
        return None
    return Target(resource, metadata.get("namespace", ""), metadata["name"])


def _delete(operations: Operations, storage: str, obj: Json) -> None:
    target = _target(operations, storage, obj)
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    current = operations.store.get(storage, namespace, name)
    if target is None or current is None or current["metadata"]["uid"] != obj["metadata"]["uid"]:
        return
    if "deletionTimestamp" in current["metadata"]:
        return
    try:
        operations.delete(target, {}, _SYSTEM)
    except StatusError as refusal:
        logger.warning("%s %s/%s stays: %s", storage, namespace, name, refusal)


def _release(operations: Operations, storage: str, obj: Json) -> None:
    target = _target(operations, storage, obj)
    if target is None:
        return
    left = [name for name in _pending(obj) if name != FOREGROUND]
    try:
        operations.patch(target, MERGE, {"metadata": {"finalizers": left or None}}, _SYSTEM)
    except StatusError as refusal:
        logger.warning("%s %s waits on: %s", storage, target.name, refusal)


def _tend_namespace(operations: Operations, namespace: Json) -> None:
    """Give an active namespace its default ServiceAccount, empty and remove one that is being deleted."""
    name = namespace["metadata"]["name"]
    if "deletionTimestamp" not in namespace["metadata"]:
        _ensure_account(operations, namespace)
        return
    contents = [
        (resource.storage, obj)
        for resource in operations.table.kept()
        if resource.namespaced
        for obj in operations.store.find(resource.storage, name)
    ]
    for storage, obj in contents:
        _delete(operations, storage, obj)
    if namespace["metadata"].get("finalizers"):
        return
    if not any(
        operations.store.find(r.storage, name) for r in operations.table.kept() if r.namespaced
    ):
        operations.finish_namespace(name)
