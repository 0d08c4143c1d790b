"""What an installation of KServe and a node bring into a cluster, for those who look before they act."""

import json
import os
import platform

from local.kserve_controller.cluster import Cluster
from local.kserve_controller.manifests import NODE
from local.kserve_controller.runtimes import SKLEARN_SERVER
from local.kserve_controller.specification import Manifest

NAMESPACE = "kserve"
CONFIGURATION = "inferenceservice-config"
MOST_PODS = 110  # a kubelet's default
KUBELET_VERSION = "v1.35.0"
# Required of a node, and nothing that a machine without a kubelet could tell.
UNKNOWN = ("bootID", "containerRuntimeVersion", "kubeProxyVersion", "machineID", "systemUUID")


def install(cluster: Cluster, gateway: str) -> None:
    """Make what is missing; `gateway` is `<namespace>/<name>`. Raises ClusterError."""
    if cluster.get("Namespace", "", NAMESPACE) is None:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    if cluster.get("ConfigMap", NAMESPACE, CONFIGURATION) is None:
        cluster.apply(configuration(gateway))
    names = {each["metadata"]["name"] for each in cluster.list("ClusterServingRuntime")}
    if SKLEARN_SERVER["metadata"]["name"] not in names:
        cluster.apply(SKLEARN_SERVER)
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": _node_metadata()})
    cluster.patch_status("Node", "", NODE, node_status())


def configuration(gateway: str) -> Manifest:
    """KServe's own settings, as an installation in Standard mode with the Gateway API has them."""
    ingress = {
        "enableGatewayApi": True,
        "kserveIngressGateway": gateway,
        "ingressGateway": "knative-serving/knative-ingress-gateway",
        "localGateway": "knative-serving/knative-local-gateway",
        "localGatewayService": "knative-local-gateway.istio-system.svc.cluster.local",
        "ingressDomain": "example.com",
        "ingressClassName": "istio",
        "domainTemplate": "{{ .Name }}-{{ .Namespace }}.{{ .IngressDomain }}",
        "pathTemplate": "/serving/{{ .Namespace }}/{{ .Name }}",
        "urlScheme": "http",
        "disableIstioVirtualHost": True,
        "disableIngressCreation": False,
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIGURATION, "namespace": NAMESPACE},
        "data": {
            "ingress": json.dumps(ingress, indent=2),
            "deploy": json.dumps({"defaultDeploymentMode": "Standard"}, indent=2),
            "autoscaler": json.dumps({}),
        },
    }


def node_status() -> Manifest:
    """This machine: its processors and memory, and no GPU."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    amounts = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory}Ki", "pods": str(MOST_PODS)}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "conditions": [ready],
        "nodeInfo": {
            "architecture": _architecture(),
            "operatingSystem": platform.system().lower(),
            "osImage": platform.system(),
            "kernelVersion": platform.release(),
            "kubeletVersion": KUBELET_VERSION,
            **dict.fromkeys(UNKNOWN, ""),
        },
    }


def _node_metadata() -> Manifest:
    labels = {
        "kubernetes.io/hostname": NODE,
        "kubernetes.io/arch": _architecture(),
        "kubernetes.io/os": platform.system().lower(),
    }
    return {"name": NODE, "labels": labels}


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
