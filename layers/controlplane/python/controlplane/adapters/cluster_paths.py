"""Paths of single objects in the cluster, as KubernetesApi takes them."""

from controlplane.adapters.tenant_objects import collection_path
from controlplane.identifiers import route_name, serving_namespace

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


def service_path(tenant_id: str, name: str) -> str:
    """Of an InferenceService."""
    return f"{collection_path('InferenceService', serving_namespace(tenant_id))}/{name}"


def route_path(tenant_id: str, project: str, deployment: str) -> str:
    """Of a deployment's HTTPRoute."""
    collection = collection_path("HTTPRoute", serving_namespace(tenant_id))
    return f"{collection}/{route_name(project, deployment)}"


def workload_path(tenant_id: str, name: str) -> str:
    """Of a Deployment."""
    return f"apis/apps/v1/namespaces/{serving_namespace(tenant_id)}/deployments/{name}"


def slices_path(tenant_id: str) -> str:
    """Of the EndpointSlices of a tenant's models."""
    return f"apis/discovery.k8s.io/v1/namespaces/{serving_namespace(tenant_id)}/endpointslices"


def namespace_path(tenant_id: str) -> str:
    return f"{collection_path('Namespace')}/{serving_namespace(tenant_id)}"


def llm_path(tenant_id: str, name: str) -> str:
    """Of an LLMInferenceService."""
    return f"{collection_path('LLMInferenceService', serving_namespace(tenant_id))}/{name}"


def knative_path(tenant_id: str, name: str) -> str:
    """Of a Knative Service."""
    namespace = serving_namespace(tenant_id)
    return f"apis/serving.knative.dev/v1/namespaces/{namespace}/services/{name}"
