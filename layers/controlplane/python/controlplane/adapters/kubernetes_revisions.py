"""Revisions and routes in a cluster with KServe and the Gateway API.

Every call is made in the name of the tenant's own account, so that none reaches another tenant's namespace.
"""

from collections.abc import Mapping

from controlplane.adapters.kserve_manifests import http_route, inference_service, weights_of
from controlplane.adapters.kserve_readiness import observe
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.tenant_namespaces import Placement, placement
from controlplane.errors import ClusterRefusedError
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.ports import RevisionObservation, RevisionSpec

NAMESPACES = "api/v1/namespaces/{namespace}"
SERVICES = "apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/{name}"
ROUTES = "apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes/{name}"
DEPLOYMENTS = "apis/apps/v1/namespaces/{namespace}/deployments/{name}"
SLICES = "apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class KubernetesRevisions:
    """A RevisionCluster. `gateway` is the namespace and name of the Gateway that the routes hang on."""

    def __init__(self, api: KubernetesApi, gateway: tuple[str, str]) -> None:
        self._api = api
        self._gateway = gateway

    def apply_revision(self, spec: RevisionSpec) -> None:
        api = self._api.as_deployer(spec.tenant_id)
        manifest = inference_service(spec, _placement(api, spec.tenant_id))
        metadata = manifest["metadata"]
        api.apply(SERVICES.format(namespace=metadata["namespace"], name=metadata["name"]), manifest)

    def observe_revision(self, tenant_id: str, name: str) -> RevisionObservation:
        api = self._api.as_deployer(tenant_id)
        namespace, predictor = serving_namespace(tenant_id), f"{name}-predictor"
        service = api.find(SERVICES.format(namespace=namespace, name=name))
        if service is None:
            return observe(None, None, [])
        deployment = api.find(DEPLOYMENTS.format(namespace=namespace, name=predictor))
        labels = {SERVICE_NAME_LABEL: predictor}
        slices = api.list(SLICES.format(namespace=namespace), labels)
        return observe(service, deployment, slices)

    def find_revision_mark(self, tenant_id: str, name: str) -> str | None:
        path = SERVICES.format(namespace=serving_namespace(tenant_id), name=name)
        found = self._api.as_deployer(tenant_id).find(path)
        if found is None:
            return None
        return f"{found['metadata']['uid']}/{found['metadata']['resourceVersion']}"

    def delete_revision(self, tenant_id: str, name: str, mark: str) -> None:
        uid, _, resource_version = mark.partition("/")
        path = SERVICES.format(namespace=serving_namespace(tenant_id), name=name)
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        self._api.as_deployer(tenant_id).delete(path, preconditions)

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> None:
        manifest = http_route(tenant_id, project, deployment, weights, self._gateway)
        path = _route_path(tenant_id, project, deployment)
        self._api.as_deployer(tenant_id).apply(path, manifest)

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        path = _route_path(tenant_id, project, deployment)
        route = self._api.as_deployer(tenant_id).find(path)
        return weights_of(route) if route else None

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        path = _route_path(tenant_id, project, deployment)
        self._api.as_deployer(tenant_id).delete(path)


def _placement(api: KubernetesApi, tenant_id: str) -> Placement:
    """Read at each write, since a tenant's tier and state may have changed since the last."""
    namespace = serving_namespace(tenant_id)
    found = api.find(NAMESPACES.format(namespace=namespace))
    if found is None:
        raise ClusterRefusedError(
            f"the cluster has no namespace {namespace}",
            remedy="Onboard the tenant; if it is active, its namespace was deleted by hand.",
        )
    return placement(found)


def _route_path(tenant_id: str, project: str, deployment: str) -> str:
    name = route_name(project, deployment)
    return ROUTES.format(namespace=serving_namespace(tenant_id), name=name)
