"""CustomResourceDefinitions of built-in kinds, for those who look what a cluster has before they act.

They are outlines: the schema names what the embedded cluster acts on, and leaves the rest open. The
kinds themselves are served from `custom_kinds`, which knows how they merge; a definition that
somebody writes over an outline takes its kind over.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator

from local.kubernetes_api.custom_kinds import CUSTOM_KINDS
from local.kubernetes_api.errors import Json
from local.kubernetes_api.resources import Resource

OUTLINED_GROUPS = ("serving.kserve.io", "gateway.networking.k8s.io")
# The digest of the spec that this server has written: whoever changes the spec leaves it behind.
DIGEST = "headrace.dev/outline-digest"
_OPEN: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_NUMBER: Json = {"type": "integer", "format": "int32"}
_TEXT: Json = {"type": "string"}
_PREDICTOR: Json = {
    **_OPEN,
    "properties": {
        "minReplicas": _NUMBER,
        "maxReplicas": _NUMBER,
        "scaleTarget": _NUMBER,
        "scaleMetric": _TEXT,
        "model": _OPEN,
    },
}
_SPECS: dict[str, Json] = {
    "inferenceservices": {"type": "object", "properties": {"predictor": _PREDICTOR}},
}
_ANNOTATIONS = {
    "gateway.networking.k8s.io": {
        "gateway.networking.k8s.io/bundle-version": "v1.4.0",
        "gateway.networking.k8s.io/channel": "standard",
    }
}


def outlines() -> Iterator[Json]:
    """The definitions of all outlined kinds."""
    versions: defaultdict[str, list[Resource]] = defaultdict(list)
    for resource in CUSTOM_KINDS:
        if resource.group in OUTLINED_GROUPS:
            versions[resource.qualified].append(resource)
    for served in versions.values():
        yield _outline(served)


def is_outline(definition: Json) -> bool:
    """Whether a definition is as this server, or one before it, has written it."""
    annotations = definition["metadata"].get("annotations") or {}
    return annotations.get(DIGEST) == _digest(definition["spec"])


def _outline(served: list[Resource]) -> Json:
    first = served[0]
    spec = {
        "group": first.group,
        "scope": "Namespaced" if first.namespaced else "Cluster",
        "names": {
            "plural": first.plural,
            "singular": first.singular,
            "kind": first.kind,
            "listKind": f"{first.kind}List",
            "shortNames": list(first.short_names),
            "categories": list(first.categories),
        },
        "versions": [_version(each, stored=each is first) for each in served],
    }
    annotations = {**_ANNOTATIONS.get(first.group, {}), DIGEST: _digest(spec)}
    return {"metadata": {"name": first.qualified, "annotations": annotations}, "spec": spec}


def _version(resource: Resource, *, stored: bool) -> Json:
    properties = {
        "apiVersion": _TEXT,
        "kind": _TEXT,
        "metadata": {"type": "object"},
        "spec": _SPECS.get(resource.plural, _OPEN),
        "status": _OPEN,
    }
    return {
        "name": resource.version,
        "served": True,
        "storage": stored,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {"status": {}} if resource.has_status else {},
    }


def _digest(spec: Json) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
