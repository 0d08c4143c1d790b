"""ResourceQuotas: what a namespace uses, what it may, and the refusal of what would be too much.

The use of every namespace is counted with every change, and checked in the same step of the event loop as the
write that follows, so that no two writes can share what is left.
"""

from collections.abc import Iterator

from local.kubernetes_api.errors import Json, refused
from local.kubernetes_api.pod_resources import (
    NOTHING,
    Amounts,
    amounts,
    containers,
    of_container,
    of_pod,
    plus,
)
from local.kubernetes_api.quantities import Quantity, quantity
from local.kubernetes_api.storage import Change, Store
from local.kubernetes_api.targets import Target

_QUOTAS = "/resourcequotas"
_ONE = quantity("1")
# Core kinds that are counted under their bare plural as well.
_PLAIN = frozenset(
    {"configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas"}
    | {"secrets", "services"}
)
_VARIABLE = frozenset({"/pods", "/services", "/persistentvolumeclaims"})
_MUST_BE_SAID = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
_BARE = frozenset({"cpu", "memory", "ephemeral-storage"})


class Quotas:
    """Follows the store; `admit` refuses, the status of every ResourceQuota is kept true."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used: dict[str, Amounts] = {}
        self._quotas: dict[str, dict[str, Json]] = {}
        for storage, obj in store.everything():
            self._count(storage, obj, {})
            self._know(storage, obj)
        store.follow_all(self._changed)
        for namespace in list(self._quotas):
            self._settle(namespace)

    def admit(self, target: Target, live: Json | None, obj: Json) -> None:
        """Raises a 403 StatusError if the write would use more than a quota leaves."""
        quotas = self._quotas.get(target.namespace) if target.namespace else None
        storage = target.resource.storage
        if not quotas or target.subresource or (live is not None and storage not in _VARIABLE):
            return
        before = usage(storage, live) if live is not None else {}
        more = _difference(usage(storage, obj), before)
        for name in sorted(quotas):
            hard = amounts((quotas[name].get("spec") or {}).get("hard"))
            self._check(target, obj, name, hard, more)

    def _check(self, target: Target, obj: Json, name: str, hard: Amounts, more: Amounts) -> None:
        kind, called = target.resource.qualified, obj["metadata"]["name"]
        is_pod = target.resource.storage == "/pods"
        if is_pod and "pods" in more and (unsaid := list(_unsaid(obj, hard))):
            raise refused(kind, called, f"failed quota: {name}: must specify {'; '.join(unsaid)}")
        used = self._used.get(target.namespace, {})
        over = [
            resource
            for resource in sorted(hard)
            if more.get(resource, NOTHING) > NOTHING
            and used.get(resource, NOTHING) + more[resource] > hard[resource]
        ]
        if over:
            requested, so_far, limited = (
                ",".join(f"{resource}={found.get(resource, NOTHING)}" for resource in over)
                for found in (more, used, hard)
            )
            why = f"exceeded quota: {name}, requested: {requested}, used: {so_far}, limited: {limited}"
            raise refused(kind, called, why)

    def _changed(self, change: Change) -> None:
        namespace = change.key[0]
        if not namespace:
            return
        gone = change.type == "DELETED"
        if change.previous is None or gone or change.resource in _VARIABLE:
            now = {} if gone else usage(change.resource, change.object)
            before = usage(change.resource, change.previous) if change.previous else {}
            self._add(namespace, _difference(now, before))
        if change.resource == _QUOTAS:
            self._quotas.get(namespace, {}).pop(change.key[1], None)
            if not gone:
                self._know(change.resource, change.object)
        if self._quotas.get(namespace):
            self._settle(namespace)

    def _count(self, storage: str, obj: Json, before: Amounts) -> None:
        if namespace := obj["metadata"].get("namespace"):
            self._add(namespace, _difference(usage(storage, obj), before))

    def _add(self, namespace: str, more: Amounts) -> None:
        used = plus(self._used.get(namespace, {}), more)
        self._used[namespace] = {name: amount for name, amount in used.items() if amount}
        if not self._used[namespace]:
            del self._used[namespace]

    def _know(self, storage: str, obj: Json) -> None:
        if storage == _QUOTAS:
            metadata = obj["metadata"]
            self._quotas.setdefault(metadata["namespace"], {})[metadata["name"]] = obj

    def _settle(self, namespace: str) -> None:
        """Write the status of the namespace's quotas where it is no longer true."""
        used = self._used.get(namespace, {})
        for obj in list(self._quotas[namespace].values()):
            hard = amounts((obj.get("spec") or {}).get("hard"))
            status = {
                "hard": {name: str(amount) for name, amount in hard.items()},
                "used": {name: str(_like(used.get(name), hard[name])) for name in hard},
            }
            if obj.get("status") != status:
                self._store.put(_QUOTAS, {**obj, "status": status})


def _like(used: Quantity | None, hard: Quantity) -> Quantity:
    return Quantity(style=hard.style) if used is None else used


def _difference(now: Amounts, before: Amounts) -> Amounts:
    return plus(now, {name: NOTHING - amount for name, amount in before.items()})


def usage(storage: str, obj: Json) -> Amounts:
    """What one object uses, by the names that a quota's ``hard`` may hold."""
    group, _, plural = storage.partition("/")
    used = {f"count/{plural}.{group}" if group else f"count/{plural}": _ONE}
    if not group and plural in _PLAIN:
        used[plural] = _ONE
    spec = obj.get("spec") or {}
    if storage == "/pods" and (obj.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
        used |= {"pods": _ONE, **_compute(spec)}
    elif storage == "/services":
        used |= dict(_exposed(spec))
    elif storage == "/persistentvolumeclaims":
        used |= _claimed(spec)
    return used


def _compute(spec: Json) -> Amounts:
    requests, limits = of_pod(spec, "requests"), of_pod(spec, "limits")
    used = {f"requests.{name}": amount for name, amount in requests.items()}
    used |= {name: amount for name, amount in requests.items() if name in _BARE}
    return used | {f"limits.{name}": amount for name, amount in limits.items() if name in _BARE}


def _exposed(spec: Json) -> Iterator[tuple[str, Quantity]]:
    ports = quantity(len(spec.get("ports") or ()))
    if spec.get("type") == "LoadBalancer":
        yield "services.loadbalancers", _ONE
    if spec.get("type") in ("LoadBalancer", "NodePort") and ports:
        yield "services.nodeports", ports


def _claimed(spec: Json) -> Amounts:
    storage = of_container(spec, "requests").get("storage")
    used = {"requests.storage": storage} if storage else {}
    if name := spec.get("storageClassName"):
        prefix = f"{name}.storageclass.storage.k8s.io"
        used |= {f"{prefix}/{resource}": amount for resource, amount in used.items()}
        used[f"{prefix}/persistentvolumeclaims"] = _ONE
    return used


def _unsaid(pod: Json, hard: Amounts) -> Iterator[str]:
    """What a quota on cpu or memory demands that every container says."""
    for resource in _MUST_BE_SAID:
        kind, _, name = resource.rpartition(".")
        without = [
            str(one.get("name", ""))
            for one in containers(pod.get("spec") or {})
            if resource in hard and name not in of_container(one, kind or "requests")
        ]
        if without:
            yield f"{resource} for: {','.join(sorted(without))}"
