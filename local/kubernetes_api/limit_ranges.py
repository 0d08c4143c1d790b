"""LimitRanges: what containers get that ask for nothing, and how little or much they may ask for."""

from collections.abc import Iterator
from typing import Any

from local.kubernetes_api.errors import Json, refused
from local.kubernetes_api.pod_resources import NOTHING, Amounts, amounts, of_container, of_pod
from local.kubernetes_api.storage import Store
from local.kubernetes_api.targets import Target

_ANNOTATION = "kubernetes.io/limit-ranger"


def limit(store: Store, target: Target, obj: Json) -> None:
    """Fill in a new Pod's defaults; raises a 403 StatusError that tells every bound it breaks."""
    storage = target.resource.storage
    if storage not in ("/pods", "/persistentvolumeclaims"):
        return
    ranges = store.find("/limitranges", target.namespace)
    items = [item for one in ranges for item in (one.get("spec") or {}).get("limits") or ()]
    if storage == "/pods":
        for item in items:
            if item.get("type") == "Container":
                _fill(obj, item)
    broken = [text for item in items for text in _broken(storage, obj, item)]
    if broken:
        why = broken[0] if len(broken) == 1 else f"[{', '.join(broken)}]"
        raise refused(target.resource.qualified, obj["metadata"]["name"], why)


def default_item(item: Json) -> None:
    """What a Container item of a LimitRange leaves open follows from what it says."""
    if item.get("type") != "Container":
        return
    item["default"] = {**(item.get("max") or {}), **(item.get("default") or {})}
    item["defaultRequest"] = {
        **(item.get("min") or {}),
        **item["default"],
        **(item.get("defaultRequest") or {}),
    }
    for field in ("default", "defaultRequest"):
        if not item[field]:
            del item[field]


def _fill(pod: Json, item: Json) -> None:
    notes: list[str] = []
    for kind in ("initContainers", "containers"):
        for container in pod["spec"].get(kind) or ():
            notes += _fill_container(
                container, item, "init container" if kind[0] == "i" else "container"
            )
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def _fill_container(container: Json, item: Json, what: str) -> Iterator[str]:
    for field, default in (("requests", "defaultRequest"), ("limits", "default")):
        own = (container.get("resources") or {}).get(field) or {}
        added = {k: v for k, v in (item.get(default) or {}).items() if k not in own}
        if added:
            container.setdefault("resources", {})[field] = {**own, **added}
            yield f"{', '.join(sorted(added))} {field[:-1]} for {what} {container.get('name', '')}"


def _broken(storage: str, obj: Json, item: Json) -> Iterator[str]:
    kind, spec = item.get("type", ""), obj.get("spec") or {}
    if storage == "/persistentvolumeclaims":
        if kind == "PersistentVolumeClaim":
            asked = of_container(spec, "requests")
            yield from _bounds(item, asked, asked, only_requests=True)
    elif kind == "Pod":
        yield from _bounds(item, of_pod(spec, "requests"), of_pod(spec, "limits"))
    elif kind == "Container":
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            requests = of_container(container, "requests")
            yield from _bounds(item, requests, of_container(container, "limits"))


def _bounds(
    item: Json, requests: Amounts, limits: Amounts, *, only_requests: bool = False
) -> Iterator[str]:
    kind = item["type"]
    for name, least in amounts(item.get("min")).items():
        start = f"minimum {name} usage per {kind} is {least}"
        if name not in requests:
            yield f"{start}.  No request is specified"
        elif requests[name] < least:
            yield f"{start}, but request is {requests[name]}"
        elif limits.get(name, least) < least:
            yield f"{start}, but limit is {limits[name]}"
    for name, most in amounts(item.get("max")).items():
        start = f"maximum {name} usage per {kind} is {most}"
        if name not in limits:
            yield f"{start}.  No {'request' if only_requests else 'limit'} is specified"
        elif limits[name] > most:
            yield f"{start}, but {'request' if only_requests else 'limit'} is {limits[name]}"
        elif requests.get(name, NOTHING) > most:
            yield f"{start}, but request is {requests[name]}"
    yield from _ratios(item, requests, limits)


def _ratios(item: Json, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, most in amounts(item.get("maxLimitRequestRatio")).items():
        asked, limited = requests.get(name, NOTHING), limits.get(name, NOTHING)
        start = f"{name} max limit to request ratio per {item['type']} is {most}"
        if not asked or not limited:
            yield f"{start}, but no request or limit is specified or it is 0"
            continue
        ratio: Any = limited.value / asked.value
        if ratio > most.value:
            yield f"{start}, but provided ratio is {float(ratio):f}"
