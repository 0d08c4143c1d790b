"""What a pod asks for: the requests and limits that count, as the scheduler and quotas add them up."""

from collections.abc import Mapping

from local.kubernetes_api.errors import Json
from local.kubernetes_api.quantities import Quantity, quantity

Amounts = dict[str, Quantity]
NOTHING = Quantity()


def amounts(listed: Mapping[str, object] | None) -> Amounts:
    """A resource list as quantities. Raises QuantityError."""
    return {name: quantity(amount) for name, amount in (listed or {}).items()}


def plus(first: Mapping[str, Quantity], second: Mapping[str, Quantity]) -> Amounts:
    both = {**first}
    for name, amount in second.items():
        both[name] = both.get(name, NOTHING) + amount
    return both


def _larger(first: Amounts, second: Amounts) -> Amounts:
    names = {**first, **second}
    return {
        name: max(first.get(name, NOTHING), second.get(name, NOTHING), key=lambda one: one.value)
        for name in names
    }


def containers(spec: Json) -> list[Json]:
    """Every container of a pod that ever runs by itself, init containers first."""
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def of_container(container: Json, kind: str) -> Amounts:
    """Its ``requests`` or ``limits``."""
    return amounts((container.get("resources") or {}).get(kind))


def of_pod(spec: Json, kind: str) -> Amounts:
    """The pod's ``requests`` or ``limits``.

    Containers run together; an init container runs alone beside the sidecars (``restartPolicy: Always``) that
    were started before it; the larger need counts. Overhead comes on top.
    """
    together: Amounts = {}
    for container in spec.get("containers") or ():
        together = plus(together, of_container(container, kind))
    sidecars: Amounts = {}
    largest: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = of_container(container, kind)
        if container.get("restartPolicy") == "Always":
            together, sidecars = plus(together, own), plus(sidecars, own)
            own = sidecars
        else:
            own = plus(sidecars, own)
        largest = _larger(largest, own)
    needed = {**_larger(together, largest), **of_container(spec, kind)}
    overhead = amounts(spec.get("overhead"))
    if kind == "limits":  # overhead does not limit what is unlimited
        overhead = {name: amount for name, amount in overhead.items() if name in needed}
    return plus(needed, overhead)


def default_requests(spec: Json) -> None:
    """A container that limits a resource and requests none of it requests its limit."""
    for container in containers(spec):
        resources = container.get("resources") or {}
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
