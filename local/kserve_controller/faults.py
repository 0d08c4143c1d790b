"""The faults that a developer has ordered, by revision, and the files that tell model servers.

They lie in the ConfigMap `headrace-embedded-faults` of the revisions' namespace. Each entry is YAML
(or JSON): `revision`, the InferenceService's name, in which `*` and `?` stand for other characters,
and the fields of `local.serving.faults.Fault`. Of several entries that fit one revision, the last
by name decides about a field that more than one of them has.
"""

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from local.kserve_controller.specification import Key, Manifest
from local.serving.faults import NO_FAULT, Fault, FaultInvalidError, described, read_fault

logger = logging.getLogger(__name__)

CONFIG_MAP = "headrace-embedded-faults"
REVISION = "revision"


@dataclass(frozen=True)
class Order:
    """One entry: the revisions that it is about and the fields that it sets."""

    revision: str
    fields: Mapping[str, Any]


def read_order(text: str) -> Order:
    """Raises FaultInvalidError."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FaultInvalidError(f"no YAML: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get(REVISION), str):
        raise FaultInvalidError(f"needs {REVISION}: the name of an InferenceService, or *")
    fields = {str(name): value for name, value in values.items() if name != REVISION}
    read_fault(fields)
    return Order(values[REVISION], fields)


def write_order(revision: str, fault: Fault) -> str:
    """The text that `read_order` reads."""
    text: str = yaml.safe_dump({REVISION: revision, **described(fault)}, sort_keys=False)
    return text


class Orders:
    """The orders of all namespaces; safe to use from several threads."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, tuple[Order, ...]] = {}
        self._lock = threading.Lock()
        self.known = False

    def replace(self, config_maps: Iterable[Manifest]) -> None:
        """Take these as all there are."""
        read = {each["metadata"]["namespace"]: _orders(each) for each in config_maps}
        with self._lock:
            self._by_namespace = read
            self.known = True

    def update(self, config_map: Manifest) -> None:
        with self._lock:
            self._by_namespace[config_map["metadata"]["namespace"]] = _orders(config_map)

    def remove(self, namespace: str) -> None:
        with self._lock:
            self._by_namespace.pop(namespace, None)

    def fault_of(self, key: Key) -> Fault:
        with self._lock:
            orders = self._by_namespace.get(key.namespace, ())
        fields: dict[str, Any] = {}
        for order in orders:
            if fnmatchcase(key.name, order.revision):
                fields |= order.fields
        return read_fault(fields) if fields else NO_FAULT


def _orders(config_map: Manifest) -> tuple[Order, ...]:
    orders = []
    for name, text in sorted((config_map.get("data") or {}).items()):
        try:
            orders.append(read_order(text))
        except FaultInvalidError as error:
            namespace = config_map["metadata"]["namespace"]
            logger.warning("%s/%s: %s is left out: %s", namespace, CONFIG_MAP, name, error)
    return tuple(orders)


class FaultFiles:
    """One file a revision with a fault; a server finds it by the path that it was started with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: Key) -> Path:
        return self._folder / f"{key.namespace}.{key.name}.json"

    def write(self, key: Key, fault: Fault) -> None:
        """Make the file say `fault`, in one step; no file is no fault."""
        path = self.path(key)
        if fault == NO_FAULT:
            path.unlink(missing_ok=True)
            return
        text = json.dumps(described(fault))
        if path.exists() and path.read_text() == text:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(path)
