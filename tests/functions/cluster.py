"""The embedded cluster as an outsider works on it: what KServe's controller and Kubernetes' own would write."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from controlplane.adapters.kubernetes_tenants import KubernetesTenants
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.onboarding.model import ClusterStep
from local import cluster_seed
from tests.functions.cloud import Cloud
from tests.functions.samples import Json
from tests.local.kubernetes_api.running_server import APPLY, MERGE, RunningServer
from tests.plans import OPENINGS

SERVING = "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"

RUNTIME: Json = {
    "apiVersion": "serving.kserve.io/v1alpha1",
    "kind": "ClusterServingRuntime",
    "metadata": {"name": "kserve-sklearnserver"},
    "spec": {
        "supportedModelFormats": [{"name": "sklearn", "version": "1"}],
        "containers": [{"name": "kserve-container", "image": "kserve/sklearnserver"}],
    },
}
GATEWAY_PATH = "/apis/gateway.networking.k8s.io/v1/namespaces/headrace-system/gateways/headrace"
GATEWAY: Json = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "headrace", "namespace": "headrace-system"},
    "spec": {
        "gatewayClassName": "any",
        "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
    },
}


@dataclass(frozen=True)
class Cluster:
    """One tenant's namespace in the cluster."""

    server: RunningServer
    tenant: str

    @property
    def namespace(self) -> str:
        return f"tenant-{self.tenant}"

    def onboard(self, isolation: Isolation = Isolation.SHARED) -> None:
        """Everything that a tenant has in the cluster, made by the account whose work that is."""
        plan = TenantPlan(self.tenant, isolation, Limits())
        for step in ClusterStep:
            tenants_of(self.server).apply(step, plan)
        self.install_serving()

    def install_serving(self) -> None:
        """What a rollout looks for beforehand: KServe's runtime for sklearn, and a Gateway that is served."""
        for path, manifest in (
            (
                "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes/kserve-sklearnserver",
                RUNTIME,
            ),
            (GATEWAY_PATH, GATEWAY),
        ):
            query = "?fieldManager=installation&force=true"
            applied = self.server.call("PATCH", path + query, manifest, media=APPLY)
            assert applied.code in (200, 201), applied.body
        conditions = [{"type": kind, "status": "True"} for kind in ("Accepted", "Programmed")]
        status = {"status": {"conditions": conditions}}
        changed = self.server.call("PATCH", f"{GATEWAY_PATH}/status", status, media=MERGE)
        assert changed.code == 200, changed.body

    def find(self, collection: str, name: str) -> Json:
        """The object; empty when there is none."""
        found = self.server.call("GET", f"{collection.format(self.namespace)}/{name}")
        assert found.code in (200, 404), found.body
        return found.body if found.code == 200 else {}

    def service(self, name: str) -> Json:
        return self.find(SERVING, name)

    def weights(self, name: str) -> dict[str, int]:
        """What the route gives to each backend Service."""
        route = self.find(ROUTES, name)
        [rule] = route["spec"]["rules"]
        return {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}

    def touch(self, name: str) -> None:
        """Change an InferenceService as anybody might."""
        path = f"{SERVING.format(self.namespace)}/{name}"
        change = {"metadata": {"annotations": {"touched": "yes"}}}
        assert self.server.call("PATCH", path, change, media=MERGE).code == 200

    def set_model_status(self, name: str, status: Json) -> None:
        path = f"{SERVING.format(self.namespace)}/{name}/status"
        changed = self.server.call("PATCH", path, {"status": {"modelStatus": status}}, media=MERGE)
        assert changed.code == 200, changed.body

    def accept_route(self, name: str) -> None:
        """What the gateway writes when it serves the route as it is."""
        generation = self.find(ROUTES, name)["metadata"]["generation"]
        conditions = [
            {
                "type": kind,
                "status": "True",
                "observedGeneration": generation,
                "reason": kind,
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {
            "parentRef": {"namespace": "headrace-system", "name": "headrace"},
            "controllerName": "example.com/gateway",
            "conditions": conditions,
        }
        path = f"{ROUTES.format(self.namespace)}/{name}/status"
        changed = self.server.call("PATCH", path, {"status": {"parents": [parent]}}, media=MERGE)
        assert changed.code == 200, changed.body

    def create_predictor(self, name: str) -> None:
        """The Deployment of a revision, not yet rolled out. Its pods have the predictor's annotations."""
        labels = {"app": f"{name}-predictor"}
        predictor = self.service(name).get("spec", {}).get("predictor", {})
        metadata = {"labels": labels, "annotations": predictor.get("annotations", {})}
        container = {"name": "kserve-container", "image": "server"}
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": metadata, "spec": {"containers": [container]}},
        }
        body = {"metadata": {"name": f"{name}-predictor"}, "spec": spec}
        created = self.server.call("POST", DEPLOYMENTS.format(self.namespace), body)
        assert created.code == 201, created.body

    def roll_out_predictor(self, name: str, **status: int) -> None:
        """The Deployment's status, as its controller writes it when all pods are there."""
        found = self.find(DEPLOYMENTS, f"{name}-predictor")
        complete = {
            "observedGeneration": found["metadata"]["generation"],
            "replicas": 1,
            "updatedReplicas": 1,
            "readyReplicas": 1,
            "availableReplicas": 1,
        }
        path = f"{DEPLOYMENTS.format(self.namespace)}/{name}-predictor/status"
        changed = self.server.call("PATCH", path, {"status": complete | status}, media=MERGE)
        assert changed.code == 200, changed.body

    def set_endpoint(self, name: str, *, ready: bool) -> None:
        """The EndpointSlice of the revision's Service, with one endpoint."""
        labels = {"kubernetes.io/service-name": f"{name}-predictor"}
        endpoint = {"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}
        body = {
            "metadata": {"name": f"{name}-{'a' if ready else 'b'}", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [endpoint],
            "ports": [{"port": 8080}],
        }
        created = self.server.call("POST", SLICES.format(self.namespace), body)
        assert created.code == 201, created.body


@cache
def accounts_of(kubeconfig: Path) -> cluster_seed.ClusterAccounts:
    """The two accounts of Headrace, in a cluster that now holds what `cluster/` holds."""
    return cluster_seed.apply(kubeconfig)


def tenants_of(server: RunningServer) -> KubernetesTenants:
    access = accounts_of(server.kubeconfig).onboarding
    api = KubernetesApi(
        ClusterAccess(access.server, access.certificate_authority, lambda _fresh: access.token)
    )
    return KubernetesTenants(api, OPENINGS)


def cluster_secret(server: RunningServer, /, **changes: Any) -> str:
    """The secret's JSON by which functions that serve tenants reach a cluster that is no EKS."""
    return json.dumps(asdict(accounts_of(server.kubeconfig).serving) | changes)


def store_secret(cloud: Cloud, text: str) -> str:
    """A new secret; its ARN."""
    name = f"cluster-of-{cloud.table}"
    made = cloud.clients.secrets.create_secret(Name=name, SecretString=text)
    return str(made["ARN"])
