"""Watches: the changes of one resource since a resourceVersion, as events until time or client ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from local.kubernetes_api.errors import Json, StatusError
from local.kubernetes_api.resources import Resource
from local.kubernetes_api.selectors import Predicate
from local.kubernetes_api.storage import Change, Store

BOOKMARK_SECONDS = 10.0


@dataclass(frozen=True)
class WatchRequest:
    """One watch; `since` is None where it begins with the objects of now, seconds bound its life."""

    resource: Resource
    namespace: str
    selects: Predicate
    since: int | None
    seconds: float
    bookmarks: bool = False
    initial_bookmark: bool = False


async def events(store: Store, request: WatchRequest) -> AsyncIterator[Json]:
    """Yield watch events (type, object); a history that is too short ends in an ERROR event of 410."""
    storage, deadline = request.resource.storage, time.monotonic() + request.seconds
    with store.listening(storage) as listener:
        position = store.version if request.since is None else request.since
        if request.since is None:
            for obj in store.find(storage, request.namespace):
                if request.selects(obj):
                    yield {"type": "ADDED", "object": obj}
        if request.initial_bookmark:
            yield bookmark(request.resource, position, initial=True)
        while (left := deadline - time.monotonic()) > 0 and not store.ending:
            listener.clear()
            newest = store.version
            try:
                changes = store.changes_after(position, storage)
            except StatusError as gone:
                yield {"type": "ERROR", "object": gone.body()}
                return
            for event in filter(None, (_event(change, request) for change in changes)):
                yield event
            position = max(position, newest)
            if not await _heard(listener, min(left, BOOKMARK_SECONDS)) and request.bookmarks:
                position = max(position, store.version)
                yield bookmark(request.resource, position)


async def _heard(listener: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await listener.wait()
    except TimeoutError:
        return False
    return True


def _event(change: Change, request: WatchRequest) -> Json | None:
    """What the watcher sees of a change: an object that leaves its selection is DELETED to it."""
    if request.namespace and change.key[0] != request.namespace:
        return None
    is_in = change.type != "DELETED" and request.selects(change.object)
    was_in = change.previous is not None and request.selects(change.previous)
    if is_in:
        return {"type": "MODIFIED" if was_in else "ADDED", "object": change.object}
    if not was_in or change.previous is None:
        return None
    last = change.object["metadata"]["resourceVersion"]
    gone = {**change.previous, "metadata": {**change.previous["metadata"], "resourceVersion": last}}
    return {"type": "DELETED", "object": gone}


def bookmark(resource: Resource, version: int, *, initial: bool = False) -> Json:
    metadata: Json = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": body}
