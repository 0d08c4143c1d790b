"""What a tenant's pods may reach, and what may reach them: nothing, but for a few openings.

A NetworkPolicy knows addresses and labels, not S3 and not the cluster's own API, so their address ranges come from
outside. Without a range there is no opening.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from controlplane.adapters.tenant_objects import Manifest, tenant_object
from controlplane.identifiers import runs_namespace, serving_namespace

DEFAULT_DENY = "default-deny"
# Where EKS's agent hands out a pod's credentials: docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
POD_IDENTITY_AGENT = "169.254.170.23/32"
# KServe puts this label on every pod that it makes.
PREDICTORS = {
    "matchExpressions": [{"key": "serving.kserve.io/inferenceservice", "operator": "Exists"}]
}
ALL_PODS: Manifest = {}
NAMESPACE_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Openings:
    """What is around the tenants: address ranges (CIDR), and the namespaces of the platform's own pods.

    `storage` are S3's ranges, `api_server` those of the cluster's API. `gateway` is where the gateway's proxies run,
    which with Envoy Gateway is not the Gateway's own namespace. Raises ValueError for what is no range.
    """

    storage: tuple[str, ...] = ()
    api_server: tuple[str, ...] = ()
    gateway: str = "envoy-gateway-system"
    pipelines: str = "kubeflow"
    monitoring: str = "monitoring"

    def __post_init__(self) -> None:
        for cidr in (*self.storage, *self.api_server):
            ip_network(cidr)


def network(tenant_id: str, openings: Openings) -> list[Manifest]:
    """The policies of both namespaces; none names another tenant's."""
    serving = _Policies(tenant_id, serving_namespace(tenant_id))
    runs = _Policies(tenant_id, runs_namespace(tenant_id))
    return [
        *_everywhere(serving, openings),
        serving.ingress("allow-gateway", PREDICTORS, [_namespace(openings.gateway)]),
        # A transformer calls its predictor, and the workers of one model each other.
        serving.ingress("allow-own-predictors", PREDICTORS, [{"podSelector": PREDICTORS}]),
        serving.egress("allow-to-own-predictors", PREDICTORS, [{"podSelector": PREDICTORS}]),
        *_everywhere(runs, openings),
        runs.egress("allow-pipelines", ALL_PODS, [_namespace(openings.pipelines)]),
        # A step's executor writes its result into the cluster's API.
        *runs.to_ranges("allow-cluster-api", openings.api_server, 443),
    ]


def _everywhere(policies: "_Policies", openings: Openings) -> list[Manifest]:
    dns = {
        **_namespace("kube-system"),
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return [
        policies.policy(DEFAULT_DENY, ALL_PODS, policyTypes=["Ingress", "Egress"]),
        policies.egress("allow-dns", ALL_PODS, [dns], [_port(53, "UDP"), _port(53)]),
        *policies.to_ranges("allow-storage", openings.storage, 443),
        *policies.to_ranges("allow-pod-identity", [POD_IDENTITY_AGENT], 80),
        policies.ingress("allow-monitoring", ALL_PODS, [_namespace(openings.monitoring)]),
    ]


class _Policies:
    """Makes the policies of one namespace."""

    def __init__(self, tenant_id: str, namespace: str) -> None:
        self._tenant_id = tenant_id
        self._namespace = namespace

    def policy(self, name: str, pods: Manifest, **spec: object) -> Manifest:
        return tenant_object(
            "NetworkPolicy",
            self._tenant_id,
            name,
            namespace=self._namespace,
            spec={"podSelector": pods, **spec},
        )

    def ingress(self, name: str, pods: Manifest, peers: list[Manifest]) -> Manifest:
        return self.policy(name, pods, policyTypes=["Ingress"], ingress=[{"from": peers}])

    def egress(
        self, name: str, pods: Manifest, peers: list[Manifest], ports: list[Manifest] | None = None
    ) -> Manifest:
        rule: Manifest = {"to": peers}
        if ports:
            rule["ports"] = ports
        return self.policy(name, pods, policyTypes=["Egress"], egress=[rule])

    def to_ranges(self, name: str, ranges: Sequence[str], port: int) -> list[Manifest]:
        """One policy, or none: an empty list of peers would mean everywhere."""
        if not ranges:
            return []
        peers = [{"ipBlock": {"cidr": cidr}} for cidr in ranges]
        return [self.egress(name, ALL_PODS, peers, [_port(port)])]


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}}


def _port(number: int, protocol: str = "TCP") -> Manifest:
    return {"protocol": protocol, "port": number}
