"""What a write does to an object's own record: identity, generation, finalizers, what clients may not set."""

import base64
import datetime
import secrets
import uuid
from typing import Any

from local.kubernetes_api.errors import Json, bad_request, conflict, invalid, stale
from local.kubernetes_api.gateway_defaults import default_gateway, default_http_route
from local.kubernetes_api.limit_ranges import default_item
from local.kubernetes_api.pod_resources import default_requests
from local.kubernetes_api.policy_validation import default_binding
from local.kubernetes_api.resources import Resource
from local.kubernetes_api.shapes import check_shape

_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation")
_FIXED_TOO = ("deletionGracePeriodSeconds", "resourceVersion", "selfLink")
_NEVER_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def checked_body(resource: Resource, namespace: str, name: str, body: Json) -> Json:
    """A copy of a request's object, of this kind, namespace and (when given) name; 400 otherwise."""
    obj: Json = _without_nulls(body)
    obj.setdefault("apiVersion", resource.api_version)
    obj.setdefault("kind", resource.kind)
    if obj["kind"] != resource.kind or obj["apiVersion"] != resource.api_version:
        raise bad_request(
            f"the object is a {obj['apiVersion']} {obj['kind']}, "
            f"the request is for {resource.api_version} {resource.kind}"
        )
    metadata = obj.setdefault("metadata", {})
    check_shape(resource, obj)
    if namespace and metadata.get("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if name and metadata.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )
    metadata.pop("namespace", None)
    if namespace:
        metadata["namespace"] = namespace
    if name:
        metadata["name"] = name
    for field in _NEVER_EMPTY:
        if field in metadata and not metadata[field]:
            del metadata[field]
    return obj


def _without_nulls(value: Any) -> Any:
    """A deep copy in which null fields are absent, which is what null means in an object."""
    if isinstance(value, dict):
        return {k: _without_nulls(child) for k, child in value.items() if child is not None}
    return [_without_nulls(child) for child in value] if isinstance(value, list) else value


def born(resource: Resource, obj: Json) -> Json:
    """The new object with its identity; takes a deep copy already its own."""
    metadata = obj["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        suffix = "".join(secrets.choice(_SUFFIX) for _ in range(5))
        metadata["name"] = metadata["generateName"][:58] + suffix
    for field in ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
        metadata.pop(field, None)
    metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now())
    metadata.pop("generation", None)
    if resource.counts_generations:
        metadata["generation"] = 1
    if resource.has_status and resource.storage != "/nodes":  # a kubelet registers with its status
        obj.pop("status", None)
    return defaulted(resource, obj)


def rewritten(resource: Resource, live: Json, new: Json, subresource: str) -> Json:
    """`new` as a write of `live` may leave it: fixed metadata kept, the other half of the object untouched."""
    _check_preconditions(resource, live, new["metadata"])
    metadata = new["metadata"]
    for field in (*_FIXED, *_FIXED_TOO):
        metadata.pop(field, None)
        if field in live["metadata"]:
            metadata[field] = live["metadata"][field]
    if subresource == "status":
        kept = {**live["metadata"], **_managed(metadata)}
        halves = {**live, "metadata": kept}
        halves.pop("status", None)
        return {**halves, **({"status": new["status"]} if "status" in new else {})}
    if resource.has_status:
        new.pop("status", None)
        if "status" in live:
            new["status"] = live["status"]
    _check_finalizers(resource, live, new)
    new = defaulted(resource, new)
    if resource.counts_generations and _intent(new) != _intent(live):
        metadata["generation"] = live["metadata"].get("generation", 0) + 1
    return new


def _managed(metadata: Json) -> Json:
    return {"managedFields": metadata["managedFields"]} if "managedFields" in metadata else {}


def _intent(obj: Json) -> Json:
    hidden = ("apiVersion", "kind", "metadata", "status")
    return {field: value for field, value in obj.items() if field not in hidden}


def _check_preconditions(resource: Resource, live: Json, metadata: Json) -> None:
    current = live["metadata"]
    if metadata.get("resourceVersion", "") not in ("", "0", current["resourceVersion"]):
        raise stale(resource.qualified, current["name"])
    if metadata.get("uid", current["uid"]) != current["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {metadata['uid']}, "
            f"UID in object meta: {current['uid']}"
        )
        raise conflict(resource.qualified, current["name"], why)


def _check_finalizers(resource: Resource, live: Json, new: Json) -> None:
    if "deletionTimestamp" not in live["metadata"]:
        return
    added = set(new["metadata"].get("finalizers") or ()) - set(
        live["metadata"].get("finalizers") or ()
    )
    if added:
        text = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
        )
        cause = ("metadata.finalizers", f"Forbidden: {text}{sorted(added)}")
        raise invalid(resource.kind, resource.group, live["metadata"]["name"], [cause])


def defaulted(resource: Resource, obj: Json) -> Json:
    """The few defaults that clients and tables lean on; `obj` is the caller's own."""
    fill = _DEFAULTS.get(resource.storage)
    if fill:
        fill(obj)
    return obj


def _secret(obj: Json) -> None:
    plain = obj.pop("stringData", None) or {}
    if plain:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    obj.setdefault("type", "Opaque")


def _service(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _deployment(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("replicas", 1)


def _pod(obj: Json) -> None:
    default_requests(obj.setdefault("spec", {}))


def _resource_quota(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if "hard" in spec:
        spec["hard"] = {name: _written(amount) for name, amount in spec["hard"].items()}


def _limit_range(obj: Json) -> None:
    for item in obj.setdefault("spec", {}).get("limits") or ():
        default_item(item)


def _written(amount: Any) -> Any:
    """A number as the text that every client expects; nonsense is left to validation."""
    return str(amount) if isinstance(amount, (int, float)) else amount


def _namespace(obj: Json) -> None:
    name = obj["metadata"].get("name", "")
    labels = obj["metadata"].get("labels") or {}
    obj["metadata"]["labels"] = {**labels, "kubernetes.io/metadata.name": name}
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


def _definition(obj: Json) -> None:
    spec = obj.get("spec") or {}
    names = spec.setdefault("names", {})
    kind = str(names.get("kind", ""))
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    conditions = [
        {
            "type": name,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": obj["metadata"]["creationTimestamp"],
        }
        for name, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    stored = [v.get("name") for v in spec.get("versions") or () if v.get("storage")]
    obj["status"] = {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}


_DEFAULTS = {
    "/secrets": _secret,
    "/services": _service,
    "/namespaces": _namespace,
    "/pods": _pod,
    "/resourcequotas": _resource_quota,
    "/limitranges": _limit_range,
    "rbac.authorization.k8s.io/rolebindings": default_binding,
    "rbac.authorization.k8s.io/clusterrolebindings": default_binding,
    "apps/deployments": _deployment,
    "gateway.networking.k8s.io/gateways": default_gateway,
    "gateway.networking.k8s.io/httproutes": default_http_route,
    "apiextensions.k8s.io/customresourcedefinitions": _definition,
}
