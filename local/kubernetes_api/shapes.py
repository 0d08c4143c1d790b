"""The outline of an object: where maps and lists must be, so that the rest of the server may rely on it.

A shape is a template: a dict stands for a map with at least these fields to look into, a list of one shape for a
list of such items, ``str`` and ``int`` for themselves. Fields that a template does not name may hold anything.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local.kubernetes_api.errors import Json, invalid
from local.kubernetes_api.resources import Resource

_REFERENCE: Json = {"name": str, "kind": str, "group": str}
_CONDITIONS = [{"type": str}]
_FILTER: Json = {
    "type": str,
    "urlRewrite": {"path": {"type": str}},
    "requestRedirect": {"path": {"type": str}},
    "requestMirror": {"backendRef": _REFERENCE, "fraction": {}},
}
_MATCH: Json = {"path": {"type": str, "value": str}, "headers": [{}], "queryParams": [{}]}
_RESOURCES: Json = {"requests": {}, "limits": {}}
_CONTAINER: Json = {
    "name": str,
    "resources": _RESOURCES,
    "ports": [{"containerPort": int}],
    "env": [{"name": str}],
    "volumeMounts": [{"mountPath": str}],
}
_POD: Json = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [{"name": str}],
    "imagePullSecrets": [{}],
    "resources": _RESOURCES,
    "overhead": {},
}
_RULES = [
    {"verbs": [str], "apiGroups": [str], "resources": [str], "resourceNames": [str]}
    | {"nonResourceURLs": [str]}
]
_BINDING: Json = {
    "roleRef": {"apiGroup": str, "kind": str, "name": str},
    "subjects": [{"apiGroup": str, "kind": str, "name": str, "namespace": str}],
}
_EVERY_KIND: Json = {
    "apiVersion": str,
    "kind": str,
    "metadata": {
        "name": str,
        "generateName": str,
        "namespace": str,
        "uid": str,
        "resourceVersion": str,
        "labels": {},
        "annotations": {},
        "finalizers": [str],
        "ownerReferences": [{"uid": str, "name": str}],
        "managedFields": [
            {"manager": str, "operation": str, "subresource": str, "time": str, "fieldsV1": {}}
        ],
    },
    "spec": {},
    "status": {},
}
_SHAPES: Mapping[str, Json] = {
    "/pods": {"spec": _POD, "status": {"conditions": _CONDITIONS, "containerStatuses": [{}]}},
    "/services": {"spec": {"ports": [{"port": int}], "externalIPs": [str], "selector": {}}},
    "/secrets": {"data": {}, "stringData": {}},
    "/configmaps": {"data": {}, "binaryData": {}},
    "/endpoints": {"subsets": [{"addresses": [{}], "ports": [{}]}]},
    "/events": {"involvedObject": {}},
    "/serviceaccounts": {"secrets": [{"name": str}], "imagePullSecrets": [{"name": str}]},
    "apps/deployments": {
        "spec": {
            "replicas": int,
            "selector": {"matchLabels": {}},
            "template": {"metadata": {"labels": {}}, "spec": _POD},
        },
        "status": {"conditions": _CONDITIONS},
    },
    "/persistentvolumeclaims": {"spec": {"storageClassName": str, "resources": _RESOURCES}},
    "/resourcequotas": {"spec": {"hard": {}, "scopes": [str]}},
    "/limitranges": {
        "spec": {
            "limits": [
                {"type": str, "max": {}, "min": {}, "default": {}, "defaultRequest": {}}
                | {"maxLimitRequestRatio": {}}
            ]
        }
    },
    "rbac.authorization.k8s.io/roles": {"rules": _RULES},
    "rbac.authorization.k8s.io/clusterroles": {"rules": _RULES},
    "rbac.authorization.k8s.io/rolebindings": _BINDING,
    "rbac.authorization.k8s.io/clusterrolebindings": _BINDING,
    "serving.kserve.io/inferenceservices": {
        "spec": {"predictor": {"model": {"modelFormat": {"name": str}, "args": [str]}}}
    },
    "gateway.networking.k8s.io/gateways": {
        "spec": {"listeners": [{"name": str}]},
        "status": {"conditions": _CONDITIONS, "listeners": [{"name": str}]},
    },
    "gateway.networking.k8s.io/httproutes": {
        "spec": {
            "hostnames": [str],
            "parentRefs": [_REFERENCE],
            "rules": [
                {
                    "matches": [_MATCH],
                    "filters": [_FILTER],
                    "backendRefs": [{**_REFERENCE, "weight": int, "filters": [_FILTER]}],
                }
            ],
        },
        "status": {"parents": [{"conditions": _CONDITIONS}]},
    },
    "apiextensions.k8s.io/customresourcedefinitions": {
        "spec": {
            "group": str,
            "names": {"plural": str, "kind": str, "shortNames": [str], "categories": [str]},
            "versions": [
                {
                    "name": str,
                    "schema": {"openAPIV3Schema": {"properties": {}}},
                    "subresources": {},
                    "additionalPrinterColumns": [{"name": str, "jsonPath": str}],
                }
            ],
        }
    },
}
_WORDS = {dict: "object", list: "array", str: "string", int: "integer"}


def check_shape(resource: Resource, obj: Json) -> None:
    """Raises a 422 StatusError that lists every value of the wrong type."""
    causes = list(_misfits(obj, _EVERY_KIND, ""))
    causes += _misfits(obj, _SHAPES.get(resource.storage, {}), "")
    if causes:
        metadata = obj.get("metadata")
        name = metadata.get("name", "") if isinstance(metadata, dict) else ""
        raise invalid(resource.kind, resource.group, str(name), causes)


def _misfits(value: Any, shape: Any, path: str) -> Iterator[tuple[str, str]]:
    wanted: Any = shape if isinstance(shape, type) else type(shape)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        yield path, f"Invalid value: must be of type {_WORDS[wanted]}"
    elif isinstance(shape, dict):
        for field, inner in shape.items():
            if field in value:
                yield from _misfits(value[field], inner, f"{path}.{field}".lstrip("."))
    elif isinstance(shape, list):
        for index, item in enumerate(value):
            yield from _misfits(item, shape[0], f"{path}[{index}]")
