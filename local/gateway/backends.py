"""Resolution of a backendRef: Service, then port, then the ready endpoints of its slices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from local.gateway.filters import NO_FILTERS, Filters
from local.gateway.kubernetes_objects import (
    GATEWAY_GROUP,
    REVISION_HEADER,
    KubernetesObject,
    ObjectKey,
    Objects,
    Snapshot,
)

SERVICE_LABEL = "kubernetes.io/service-name"
# How often each Service port was asked, kept over recompilations so that turns stay fair.
Turns = defaultdict[tuple[str, str, int], "count[int]"]


def new_turns() -> Turns:
    """Return the counters that `Backend.next_endpoint` takes its turns from."""
    return defaultdict(count)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a backendRef cannot be resolved: a reason of the ResolvedRefs condition."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Backend:
    """One resolved backendRef. `endpoints` are origins such as `http://127.0.0.1:8001`."""

    namespace: str
    service: str
    port: int
    weight: int
    filters: Filters
    endpoints: tuple[str, ...]
    turns: "count[int]"
    problem: Problem | None = None

    @property
    def revision(self) -> str:
        """The revision that this backendRef's own header filter names, or nothing."""
        modifier = self.filters.request_headers
        return modifier.value_set(REVISION_HEADER) if modifier else ""

    @property
    def label(self) -> str:
        """How metrics and logs name the backend."""
        return f"{self.namespace}/{self.service}:{self.port}"

    def next_endpoint(self) -> str | None:
        """Return the endpoint whose turn it is, or None while none is ready."""
        if not self.endpoints:
            return None
        return self.endpoints[next(self.turns) % len(self.endpoints)]


class BackendResolver:
    """Resolves the backendRefs of one snapshot."""

    def __init__(self, snapshot: Snapshot, turns: Turns) -> None:
        self._services = snapshot.services
        self._grants = snapshot.reference_grants
        self._slices = _slices_by_service(snapshot.endpoint_slices)
        self._turns = turns

    def resolve(
        self, reference: Mapping[str, Any], route_namespace: str, filters: Filters = NO_FILTERS
    ) -> Backend:
        """Resolve a backendRef of a route; what fails is told by the backend's `problem`."""
        namespace = reference.get("namespace") or route_namespace
        name = reference["name"]
        port = int(reference.get("port") or 0)
        found = self._endpoints(reference, namespace, route_namespace)
        problem = found if isinstance(found, Problem) else None
        return Backend(
            namespace=namespace,
            service=name,
            port=port,
            weight=int(reference.get("weight", 1)),
            filters=filters,
            endpoints=() if isinstance(found, Problem) else found,
            turns=self._turns[namespace, name, port],
            problem=problem,
        )

    def _endpoints(
        self, reference: Mapping[str, Any], namespace: str, route_namespace: str
    ) -> tuple[str, ...] | Problem:
        name = reference["name"]
        if reference.get("group") or reference.get("kind", "Service") != "Service":
            kind = reference.get("kind", "Service")
            return Problem("InvalidKind", f"backend {name} is a {kind}; only a Service can be one")
        if namespace != route_namespace and not self._granted(route_namespace, namespace, name):
            return Problem(
                "RefNotPermitted",
                f"no ReferenceGrant in {namespace} lets HTTPRoutes of {route_namespace} "
                f"use Service {name}",
            )
        service = self._services.get((namespace, name))
        if service is None:
            return Problem("BackendNotFound", f"Service {namespace}/{name} does not exist")
        return self._endpoints_of_service(service, (namespace, name), reference.get("port"))

    def _endpoints_of_service(
        self, service: KubernetesObject, key: ObjectKey, port: int | None
    ) -> tuple[str, ...] | Problem:
        spec = service.get("spec") or {}
        if spec.get("type") == "ExternalName":
            # It would let a tenant send the gateway anywhere.
            return Problem("InvalidKind", f"Service {'/'.join(key)} is an ExternalName")
        ports = {entry["port"]: entry.get("name") or "" for entry in spec.get("ports") or ()}
        if port not in ports:
            known = ", ".join(map(str, ports)) or "none"
            return Problem(
                "BackendNotFound", f"Service {'/'.join(key)} has no port {port} (it has: {known})"
            )
        slices = self._slices.get(key, ())
        # Slices may repeat an endpoint while one moves from slice to slice.
        return tuple(sorted({origin for item in slices for origin in _ready(item, ports[port])}))

    def _granted(self, route_namespace: str, namespace: str, service: str) -> bool:
        grants = (grant for (home, _), grant in self._grants.items() if home == namespace)
        return any(
            _grants_from(grant["spec"], route_namespace) and _grants_to(grant["spec"], service)
            for grant in grants
        )


def _slices_by_service(slices: Objects) -> Mapping[ObjectKey, list[KubernetesObject]]:
    by_service: defaultdict[ObjectKey, list[KubernetesObject]] = defaultdict(list)
    for (namespace, _), item in slices.items():
        service = (item["metadata"].get("labels") or {}).get(SERVICE_LABEL)
        if service:
            by_service[namespace, service].append(item)
    return by_service


def _ready(endpoint_slice: KubernetesObject, port_name: str) -> Iterable[str]:
    # A Service's port and its slices' ports belong together by name, as in kube-proxy.
    ports = [
        entry["port"]
        for entry in endpoint_slice.get("ports") or ()
        if (entry.get("name") or "") == port_name and entry.get("port")
    ]
    if endpoint_slice.get("addressType") not in {"IPv4", "IPv6"}:
        return
    for endpoint in endpoint_slice.get("endpoints") or ():
        # Unknown (absent) counts as ready: the rule of the EndpointSlice API.
        if (endpoint.get("conditions") or {}).get("ready") is False:
            continue
        for address in endpoint["addresses"][:1]:
            host = f"[{address}]" if ":" in address else address
            yield from (f"http://{host}:{port}" for port in ports)


def _grants_from(spec: Mapping[str, Any], route_namespace: str) -> bool:
    wanted = (GATEWAY_GROUP, "HTTPRoute", route_namespace)
    return any((f["group"], f["kind"], f["namespace"]) == wanted for f in spec["from"])


def _grants_to(spec: Mapping[str, Any], service: str) -> bool:
    return any(
        (t["group"], t["kind"]) == ("", "Service") and t.get("name") in {None, "", service}
        for t in spec["to"]
    )
