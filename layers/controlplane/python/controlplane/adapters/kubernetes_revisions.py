"""Revisions and routes in a cluster with KServe and the Gateway API.

Every call is made in the name of the tenant's own account, so that none reaches another tenant's namespace.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.adapters.cluster_paths import (
    SERVICE_NAME_LABEL,
    namespace_path,
    route_path,
    service_path,
    slices_path,
    workload_path,
)
from controlplane.adapters.kserve_manifests import STOP, SUSPENDED, SUSPENSION, inference_service
from controlplane.adapters.kserve_readiness import observe
from controlplane.adapters.kserve_routes import http_route, shares_of
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.tenant_namespaces import Placement, placement
from controlplane.errors import ClusterRefusedError
from controlplane.identifiers import serving_namespace
from controlplane.serving.cluster_ports import ClusterChange
from controlplane.serving.ports import RevisionObservation, RevisionSpec


class KubernetesRevisions:
    """A RevisionStore of revisions behind our own route. `gateway`: namespace and name of the Gateway it hangs on."""

    def __init__(self, api: KubernetesApi, gateway: tuple[str, str]) -> None:
        self._api = api
        self._gateway = gateway

    def apply_revision(self, spec: RevisionSpec) -> None:
        api = self._api.as_deployer(spec.tenant_id)
        manifest = inference_service(spec, placement_of(api, spec.tenant_id))
        api.apply(service_path(spec.tenant_id, spec.name), manifest)

    def observe_revision(self, tenant_id: str, name: str) -> RevisionObservation:
        api = self._api.as_deployer(tenant_id)
        service = api.find(service_path(tenant_id, name))
        if service is None:
            return observe(None, None, [])
        return observe(service, *find_workload(api, tenant_id, f"{name}-predictor"))

    def find_revision_mark(self, tenant_id: str, name: str) -> str | None:
        return find_mark(self._api.as_deployer(tenant_id), service_path(tenant_id, name))

    def delete_revision(self, tenant_id: str, name: str, mark: str) -> None:
        delete_marked(self._api.as_deployer(tenant_id), service_path(tenant_id, name), mark)

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> Sequence[ClusterChange]:
        manifest = http_route(tenant_id, project, deployment, weights, self._gateway)
        path = route_path(tenant_id, project, deployment)
        self._api.as_deployer(tenant_id).apply(path, manifest)
        return (ClusterChange("apply", path, manifest),)

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        path = route_path(tenant_id, project, deployment)
        route = self._api.as_deployer(tenant_id).find(path)
        return shares_of(route) if route else None

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        path = route_path(tenant_id, project, deployment)
        self._api.as_deployer(tenant_id).delete(path)

    def set_stopped(self, tenant_id: str, names: Sequence[str], *, stopped: bool) -> None:
        api = self._api.as_deployer(tenant_id)
        set_stopped(
            api, tenant_id, [service_path(tenant_id, name) for name in names], stopped=stopped
        )


def placement_of(api: KubernetesApi, tenant_id: str) -> Placement:
    """Read at each write, since a tenant's tier and state may have changed since the last."""
    found = api.find(namespace_path(tenant_id))
    if found is None:
        raise ClusterRefusedError(
            f"the cluster has no namespace {serving_namespace(tenant_id)}",
            remedy="Onboard the tenant; if it is active, its namespace was deleted by hand.",
        )
    return placement(found)


def find_workload(
    api: KubernetesApi, tenant_id: str, name: str
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """A Deployment, and the EndpointSlices of the Service of the same name."""
    deployment = api.find(workload_path(tenant_id, name))
    if deployment is None:
        return None, []
    return deployment, api.list(slices_path(tenant_id), {SERVICE_NAME_LABEL: name})


def find_mark(api: KubernetesApi, path: str) -> str | None:
    """What identifies the present state of an object; None when there is none."""
    found = api.find(path)
    if found is None:
        return None
    return f"{found['metadata']['uid']}/{found['metadata']['resourceVersion']}"


def delete_marked(api: KubernetesApi, path: str, mark: str) -> None:
    """Raises ConcurrentChangeError when the object is not as `mark` says."""
    uid, _, resource_version = mark.partition("/")
    api.delete(path, {"uid": uid, "resourceVersion": resource_version})


def set_stopped(api: KubernetesApi, tenant_id: str, paths: Sequence[str], *, stopped: bool) -> None:
    """What is started again while its tenant is suspended starts with the tenant."""
    annotations: dict[str, str | None] = {STOP: "true", SUSPENDED: None}
    if not stopped:
        suspended = placement_of(api, tenant_id).stopped
        annotations = dict(SUSPENSION) if suspended else {STOP: "false", SUSPENDED: None}
    for path in paths:
        api.merge(path, {"metadata": {"annotations": annotations}})
