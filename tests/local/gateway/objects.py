"""Kubernetes objects for the tests of the gateway, as a user would write them."""

from typing import Any

from local.gateway.kubernetes_objects import KubernetesObject, Snapshot, key_of

GATEWAY = ("headrace-system", "headrace")
PORT = 8080
PARENT = {"namespace": GATEWAY[0], "name": GATEWAY[1]}


def route(
    name: str,
    rules: list[dict[str, Any]],
    *,
    namespace: str = "tenant-acme",
    hostnames: list[str] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    parents: list[dict[str, Any]] | None = None,
) -> KubernetesObject:
    spec: dict[str, Any] = {"parentRefs": [PARENT] if parents is None else parents}
    spec["rules"] = rules
    if hostnames:
        spec["hostnames"] = hostnames
    metadata = {"namespace": namespace, "name": name, "generation": 1}
    return {"metadata": {**metadata, "creationTimestamp": created}, "spec": spec}


def prefix(value: str, **rest: Any) -> dict[str, Any]:
    return {"path": {"type": "PathPrefix", "value": value}, **rest}


def service(
    name: str, ports: dict[str, int] | None = None, *, namespace: str = "tenant-acme", **spec: Any
) -> KubernetesObject:
    entries = [{"name": n, "port": p} for n, p in (ports or {"http": 80}).items()]
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"ports": entries, **spec},
    }


def endpoint_slice(
    service_name: str,
    ports: dict[str, int],
    *,
    name: str = "",
    ready: bool | None = True,
    namespace: str = "tenant-acme",
    address: str = "127.0.0.1",
) -> KubernetesObject:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name or service_name,
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": "IPv6" if ":" in address else "IPv4",
        "ports": [{"name": n, "port": p} for n, p in ports.items()],
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}],
    }


def gateway(**listener: Any) -> KubernetesObject:
    entry = {
        "name": "http",
        "port": PORT,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
        **listener,
    }
    metadata = {"namespace": GATEWAY[0], "name": GATEWAY[1], "generation": 1}
    return {"metadata": metadata, "spec": {"gatewayClassName": "headrace", "listeners": [entry]}}


def snapshot(
    *routes: KubernetesObject,
    services: tuple[KubernetesObject, ...] = (),
    slices: tuple[KubernetesObject, ...] = (),
    grants: tuple[KubernetesObject, ...] = (),
    namespaces: tuple[KubernetesObject, ...] = (),
    of: KubernetesObject | None = None,
) -> Snapshot:
    return Snapshot(
        routes={key_of(item): item for item in routes},
        gateways={GATEWAY: of or gateway()},
        services={key_of(item): item for item in services},
        endpoint_slices={key_of(item): item for item in slices},
        reference_grants={key_of(item): item for item in grants},
        namespaces={key_of(item): item for item in namespaces},
    )
