"""The objects that KServe and Kubernetes' own controllers make for an InferenceService.

Each is owned by the InferenceService, so deleting that takes them along. There is one
EndpointSlice a pod because a slice has one list of ports, and here every pod has its own port.
"""

from typing import Any

from local.kserve_controller.conditions import timestamp
from local.kserve_controller.pods import Pod, Termination
from local.kserve_controller.runtimes import CONTAINER
from local.kserve_controller.specification import InferenceService, Manifest, PodTemplate

LOOPBACK = "127.0.0.1"
SERVICE_PORT = 80
CONTAINER_PORT = 8080
INFERENCE_SERVICE_LABEL = "serving.kserve.io/inferenceservice"
STORAGE_URI = "internal.serving.kserve.io/storage-initializer-sourceuri"
NODE = "localhost"


def deployment(service: InferenceService, template: PodTemplate, replicas: int) -> Manifest:
    labels = _labels(service)
    selector = {"app": labels["app"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owned_metadata(service, service.key.predictor),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
            },
            "template": {
                "metadata": {
                    "labels": labels | dict(template.labels),
                    "annotations": {
                        **dict(template.annotations),
                        STORAGE_URI: template.storage_uri,
                    },
                },
                "spec": {"containers": [_container(template)]},
            },
        },
    }


def service(inference_service: InferenceService) -> Manifest:
    name = inference_service.key.predictor
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owned_metadata(inference_service, name),
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": f"isvc.{name}"},
            "ports": [
                {
                    "name": name,
                    "port": SERVICE_PORT,
                    "targetPort": CONTAINER_PORT,
                    "protocol": "TCP",
                }
            ],
        },
    }


def endpoint_slice(service: InferenceService, pod: Pod, port: int) -> Manifest:
    """The slice of one pod: not ready as soon as its server is not, or another has taken over."""
    metadata = owned_metadata(service, pod.name)
    metadata["labels"] |= {
        "kubernetes.io/service-name": service.key.predictor,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [{"name": service.key.predictor, "port": port, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [LOOPBACK],
                "conditions": {
                    "ready": pod.ready and not pod.retiring,
                    "serving": pod.ready,
                    "terminating": pod.retiring,
                },
                "targetRef": {
                    "kind": "Pod",
                    "namespace": service.key.namespace,
                    "name": pod.name,
                },
            }
        ],
    }


def pod(service: InferenceService, template: PodTemplate, name: str) -> Manifest:
    metadata = owned_metadata(service, name)
    metadata["labels"] |= {**dict(template.labels), "pod-template-hash": template.digest}
    metadata["annotations"] = {**dict(template.annotations), STORAGE_URI: template.storage_uri}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": NODE, "containers": [_container(template)]},
    }


def pod_status(template: PodTemplate, state: Pod) -> Manifest:
    started = timestamp(state.created_at)
    ready = "True" if state.ready else "False"
    container: Manifest = {
        "name": CONTAINER,
        "image": template.image,
        "imageID": "",  # no image was pulled: a program of this machine stands in for it
        "ready": state.ready,
        "started": state.running,
        "restartCount": state.restarts,
        "state": _container_state(state),
    }
    if state.last_termination:
        container["lastState"] = {"terminated": _terminated(state.last_termination)}
    return {
        "phase": "Running",
        "podIP": LOOPBACK,
        "hostIP": LOOPBACK,
        "startTime": started,
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": started},
            {"type": "ContainersReady", "status": ready},
            {"type": "Ready", "status": ready},
        ],
        "containerStatuses": [container],
    }


def http_route(service: InferenceService, gateway: str) -> Manifest:
    """The route of a service that is not cluster-local; `gateway` is `<namespace>/<name>`."""
    gateway_namespace, gateway_name = gateway.split("/", 1)
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": owned_metadata(service, service.key.name),
        "spec": {
            "parentRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "namespace": gateway_namespace,
                    "name": gateway_name,
                }
            ],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": external_path(service)}}],
                    "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
                    "backendRefs": [
                        {"kind": "Service", "name": service.key.predictor, "port": SERVICE_PORT}
                    ],
                }
            ],
        },
    }


def external_path(service: InferenceService) -> str:
    """KServe's `pathTemplate` as this project sets it."""
    return f"/serving/{service.key.namespace}/{service.key.name}"


def owned_metadata(service: InferenceService, name: str) -> Manifest:
    """The metadata of an object that goes with its InferenceService."""
    return {
        "name": name,
        "namespace": service.key.namespace,
        "labels": _labels(service),
        "ownerReferences": [
            {
                "apiVersion": "serving.kserve.io/v1beta1",
                "kind": "InferenceService",
                "name": service.key.name,
                "uid": service.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def _labels(service: InferenceService) -> dict[str, str]:
    return {
        **service.labels,
        "app": f"isvc.{service.key.predictor}",
        "component": "predictor",
        INFERENCE_SERVICE_LABEL: service.key.name,
    }


def _container(template: PodTemplate) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": template.image,
        "args": list(template.args),
        "ports": [{"containerPort": CONTAINER_PORT, "protocol": "TCP"}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if template.env:
        container["env"] = [{"name": name, "value": value} for name, value in template.env]
    return container


def _container_state(state: Pod) -> dict[str, Any]:
    if state.running:
        return {"running": {"startedAt": timestamp(state.created_at)}}
    if state.last_termination is None:
        return {"waiting": {"reason": "ContainerCreating"}}
    return {
        "waiting": {
            "reason": "CrashLoopBackOff",
            "message": f"back-off restarting failed container={CONTAINER} pod={state.name}",
        }
    }


def _terminated(termination: Termination) -> dict[str, Any]:
    return {
        "exitCode": termination.exit_code,
        "reason": "Error" if termination.exit_code else "Completed",
        "message": termination.message,
        "finishedAt": timestamp(termination.at),
    }
