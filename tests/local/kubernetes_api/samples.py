"""Objects that the tests apply."""

from typing import Any

from tests.local.kubernetes_api.running_server import Json

_GATEWAY = "gateway.networking.k8s.io"


def inference_service(name: str, **spec: Any) -> Json:
    model = {"modelFormat": {"name": "sklearn"}, "args": ["--model_name", name]}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"predictor": {"model": model, **spec}},
    }


def http_route(name: str, *weights: int) -> Json:
    backends = [
        {"group": "", "kind": "Service", "name": f"backend-{i}", "port": 80, "weight": weight}
        for i, weight in enumerate(weights)
    ]
    return {
        "apiVersion": f"{_GATEWAY}/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"group": _GATEWAY, "kind": "Gateway", "name": "gateway"}],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": f"/serving/{name}"}}],
                    "filters": [
                        {
                            "type": "URLRewrite",
                            "urlRewrite": {
                                "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
                            },
                        }
                    ],
                    "backendRefs": backends,
                }
            ],
        },
    }


def deployment(name: str) -> Json:
    containers = [
        {"name": "app", "image": "app:1", "ports": [{"containerPort": 80}]},
        {"name": "side", "image": "side:1"},
    ]
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }
