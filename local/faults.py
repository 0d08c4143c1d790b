"""Faults of the embedded cluster's model servers, as its ConfigMaps hold them."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes
import urllib3
from kubernetes.client.exceptions import ApiException

from local.kserve_controller.faults import CONFIG_MAP, read_order, write_order
from local.serving.faults import Fault, FaultInvalidError

_NOT_IN_A_KEY = re.compile(r"[^-._a-zA-Z0-9]")


class FaultError(Exception):
    """A fault that cannot be ordered, found or cleared; the message says what to do."""


@dataclass(frozen=True)
class OrderedFault:
    """One entry of a namespace's ConfigMap; `problem` says why the controller leaves it out."""

    namespace: str
    name: str
    revision: str
    text: str
    problem: str = ""


class Faults:
    """The faults of the cluster that a kubeconfig leads to. Methods raise FaultError."""

    def __init__(self, kubeconfig: Path) -> None:
        if not kubeconfig.is_file():
            raise FaultError(f"no cluster is described in {kubeconfig}: start one with `make up`")
        client = kubernetes.config.new_client_from_config(config_file=str(kubeconfig))
        client.configuration.retries = False
        self._api = kubernetes.client.CoreV1Api(client)

    def set(self, namespace: str, revision: str, fault: Fault) -> None:
        """Order `fault`, in place of what was ordered for `revision` by that very name before."""
        if fault == Fault():
            raise FaultError("say what the fault is: see `fault set --help`")
        replaced = {each.name: None for each in self._of(namespace) if each.revision == revision}
        self._change(namespace, replaced | {_key(revision): write_order(revision, fault)})

    def clear(self, namespace: str, revision: str = "") -> int:
        """Take back what was ordered for `revision` by that very name, or all; how much that was."""
        ordered = [each for each in self._of(namespace) if revision in ("", each.revision)]
        if ordered:
            self._change(namespace, {each.name: None for each in ordered})
        return len(ordered)

    def list(self, namespace: str = "") -> list[OrderedFault]:
        """What is ordered, in one namespace or in all."""
        return list(self._of(namespace))

    def _of(self, namespace: str) -> Iterator[OrderedFault]:
        selector = f"metadata.name={CONFIG_MAP}"
        listed = _answer(self._api.list_config_map_for_all_namespaces, field_selector=selector)
        for config_map in listed.items:
            if namespace in ("", config_map.metadata.namespace):
                for name, text in sorted((config_map.data or {}).items()):
                    yield _ordered(config_map.metadata.namespace, name, text)

    def _change(self, namespace: str, data: dict[str, str | None]) -> None:
        try:
            _answer(self._api.patch_namespaced_config_map, CONFIG_MAP, namespace, {"data": data})
        except _NotFoundError:
            body = {"metadata": {"name": CONFIG_MAP}, "data": _without_none(data)}
            _answer(self._api.create_namespaced_config_map, namespace, body)


class _NotFoundError(FaultError):
    pass


def _answer(call: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return call(*arguments, **options, _request_timeout=10)
    except ApiException as error:
        kind = _NotFoundError if error.status == HTTPStatus.NOT_FOUND else FaultError
        raise kind(f"the cluster refused it ({error.status}): {error.body}") from error
    except urllib3.exceptions.HTTPError as error:
        raise FaultError(f"the cluster does not answer: {error}; is the stack up?") from error


def _ordered(namespace: str, name: str, text: str) -> OrderedFault:
    try:
        return OrderedFault(namespace, name, read_order(text).revision, text.strip())
    except FaultInvalidError as error:
        return OrderedFault(namespace, name, "", text.strip(), problem=str(error))


def _without_none(data: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in data.items() if text is not None}


def _key(revision: str) -> str:
    """A ConfigMap's key takes no `*`: what it may not hold is replaced, and a digest keeps it unique."""
    plain = _NOT_IN_A_KEY.sub("_", revision)
    if plain == revision:
        return plain
    return f"{plain}.{hashlib.sha256(revision.encode()).hexdigest()[:8]}"
