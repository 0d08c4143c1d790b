"""Objects and their history: SQLite on disk, an index in memory in front of it.

Every write is one SQLite transaction (write-ahead log), so what a client was told survives SIGKILL. Reads
never touch the disk. Objects handed out are shared: treat them as immutable and copy before changing.
"""

import asyncio
import bisect
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.kubernetes_api.errors import Json, expired

Key = tuple[str, str]  # namespace ("" when cluster-scoped), name

_ANY = "*"

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT, namespace TEXT, name TEXT, body TEXT, PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    version INTEGER PRIMARY KEY, type TEXT, resource TEXT, body TEXT, previous TEXT
);
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER);
INSERT OR IGNORE INTO counter VALUES (0, 0);
"""


@dataclass(frozen=True)
class Change:
    """One entry of the history: `previous` is what the object was before, None when it is new."""

    version: int
    type: str
    resource: str
    object: Json
    previous: Json | None

    @property
    def key(self) -> Key:
        return key_of(self.object)


def key_of(obj: Json) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


Follower = Callable[[Change], None]


class Store:
    """Objects by resource (``group/plural``), namespace and name; `history` changes are kept for watches."""

    def __init__(self, path: Path, history: int) -> None:
        self._limit = history
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_TABLES)
        self._objects: dict[str, dict[Key, Json]] = {}
        self._changes: list[Change] = []
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._followers: dict[str, list[Follower]] = {}
        self.ending = False
        self._load()

    def _load(self) -> None:
        query = self._database.execute
        self.version: int = query("SELECT version FROM counter").fetchone()[0]
        for resource, namespace, name, body in query("SELECT * FROM objects"):
            self._objects.setdefault(resource, {})[namespace, name] = json.loads(body)
        rows = query("SELECT version, type, resource, body, previous FROM history ORDER BY version")
        for version, kind, resource, body, previous in rows:
            before = json.loads(previous) if previous else None
            self._changes.append(Change(version, kind, resource, json.loads(body), before))

    def end_watches(self) -> None:
        """Wake every listener for the last time: the server is about to stop."""
        self.ending = True
        for listener in (one for found in self._listeners.values() for one in found):
            listener.set()

    def close(self) -> None:
        self._database.close()

    def get(self, resource: str, namespace: str, name: str) -> Json | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def find(self, resource: str, namespace: str = "") -> list[Json]:
        """Objects ordered by namespace and name; an empty namespace means all of them."""
        found = self._objects.get(resource, {})
        return [found[key] for key in sorted(found) if not namespace or key[0] == namespace]

    def everything(self) -> Iterator[tuple[str, Json]]:
        """Every object with its resource, in no order, from a copy that may be written during the walk."""
        for resource in list(self._objects):
            for obj in list(self._objects[resource].values()):
                yield resource, obj

    def put(self, resource: str, obj: Json) -> Json:
        """Keep `obj` under the next resourceVersion, which the returned object carries."""
        previous = self._objects.get(resource, {}).get(key_of(obj))
        kept = self._versioned(obj)
        self._record(
            Change(self.version + 1, "MODIFIED" if previous else "ADDED", resource, kept, previous)
        )
        return kept

    def remove(self, resource: str, namespace: str, name: str) -> Json:
        """Forget the object; the returned one carries the resourceVersion of its deletion."""
        previous = self._objects[resource][namespace, name]
        gone = self._versioned(previous)
        self._record(Change(self.version + 1, "DELETED", resource, gone, previous))
        return gone

    def _versioned(self, obj: Json) -> Json:
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version + 1)}}

    def _record(self, change: Change) -> None:
        namespace, name = change.key
        body = json.dumps(change.object)
        before = json.dumps(change.previous) if change.previous else None
        with self._transaction() as run:
            if change.type == "DELETED":
                run(
                    "DELETE FROM objects WHERE resource=? AND namespace=? AND name=?",
                    (change.resource, namespace, name),
                )
            else:
                run(
                    "INSERT OR REPLACE INTO objects VALUES (?,?,?,?)",
                    (change.resource, namespace, name, body),
                )
            run(
                "INSERT INTO history VALUES (?,?,?,?,?)",
                (change.version, change.type, change.resource, body, before),
            )
            run("DELETE FROM history WHERE version <= ?", (change.version - self._limit,))
            run("UPDATE counter SET version=?", (change.version,))
        self._remember(change)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        cursor = self._database.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            yield cursor.execute
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")

    def _remember(self, change: Change) -> None:
        self.version = change.version
        found = self._objects.setdefault(change.resource, {})
        if change.type == "DELETED":
            del found[change.key]
        else:
            found[change.key] = change.object
        self._changes.append(change)
        del self._changes[: -self._limit]
        for listener in self._listeners.get(change.resource, ()):
            listener.set()
        for following in (change.resource, _ANY):
            for follower in self._followers.get(following, ()):
                follower(change)

    def follow(self, resource: str, follower: Follower) -> None:
        """Tell `follower` of every later change of the resource, before the writer goes on."""
        self._followers.setdefault(resource, []).append(follower)

    def follow_all(self, follower: Follower) -> None:
        """As `follow`, for every resource. The follower may write, and is told of that in turn."""
        self.follow(_ANY, follower)

    def changes_after(self, version: int, resource: str) -> list[Change]:
        """The changes of one resource later than `version`; 410 when the history no longer reaches so far."""
        oldest = self.version - len(self._changes)
        if version < oldest:
            raise expired(f"too old resource version: {version} ({oldest})")
        start = bisect.bisect_right(self._changes, version, key=lambda change: change.version)
        return [change for change in self._changes[start:] if change.resource == resource]

    def find_at(self, version: int, resource: str, namespace: str = "") -> list[Json]:
        """The list as it was at `version`: later changes are taken back one by one."""
        then = dict(self._objects.get(resource, {}))
        for change in reversed(self.changes_after(version, resource)):
            if change.previous is None:
                then.pop(change.key, None)
            else:
                then[change.key] = change.previous
        return [then[key] for key in sorted(then) if not namespace or key[0] == namespace]

    @contextlib.contextmanager
    def listening(self, resource: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the resource changes; the listener clears it."""
        listener = asyncio.Event()
        self._listeners.setdefault(resource, set()).add(listener)
        try:
            yield listener
        finally:
            self._listeners[resource].discard(listener)
