"""Revisions and routes in a cluster with KServe and the Gateway API."""

from collections.abc import Mapping

from controlplane.adapters.kserve_manifests import http_route, inference_service, weights_of
from controlplane.adapters.kserve_readiness import observe
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.ports import RevisionObservation, RevisionSpec

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
        manifest = inference_service(spec)
        metadata = manifest["metadata"]
        self._api.apply(
            SERVICES.format(namespace=metadata["namespace"], name=metadata["name"]), manifest
        )

    def observe_revision(self, tenant_id: str, name: str) -> RevisionObservation:
        namespace, predictor = serving_namespace(tenant_id), f"{name}-predictor"
        service = self._api.find(SERVICES.format(namespace=namespace, name=name))
        if service is None:
            return observe(None, None, [])
        deployment = self._api.find(DEPLOYMENTS.format(namespace=namespace, name=predictor))
        labels = {SERVICE_NAME_LABEL: predictor}
        slices = self._api.list(SLICES.format(namespace=namespace), labels)
        return observe(service, deployment, slices)

    def find_revision_mark(self, tenant_id: str, name: str) -> str | None:
        found = self._api.find(SERVICES.format(namespace=serving_namespace(tenant_id), name=name))
        if found is None:
            return None
        return f"{found['metadata']['uid']}/{found['metadata']['resourceVersion']}"

    def delete_revision(self, tenant_id: str, name: str, mark: str) -> None:
        uid, _, resource_version = mark.partition("/")
        path = SERVICES.format(namespace=serving_namespace(tenant_id), name=name)
        self._api.delete(path, {"uid": uid, "resourceVersion": resource_version})

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> None:
        manifest = http_route(tenant_id, project, deployment, weights, self._gateway)
        self._api.apply(_route_path(tenant_id, project, deployment), manifest)

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        route = self._api.find(_route_path(tenant_id, project, deployment))
        return weights_of(route) if route else None

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        self._api.delete(_route_path(tenant_id, project, deployment))


def _route_path(tenant_id: str, project: str, deployment: str) -> str:
    name = route_name(project, deployment)
    return ROUTES.format(namespace=serving_namespace(tenant_id), name=name)
