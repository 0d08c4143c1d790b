"""The scale subresource of Deployments (autoscaling/v1 Scale): ``kubectl scale``."""

from aiohttp import web

from local.kubernetes_api.errors import Json, bad_request, method_not_allowed
from local.kubernetes_api.operations import JSON, MERGE, Operations
from local.kubernetes_api.patches import json_patch, merge_patch
from local.kubernetes_api.requests import read_body, write_options
from local.kubernetes_api.targets import Target


async def answer(request: web.Request, operations: Operations, target: Target) -> web.Response:
    """GET, PUT or PATCH of a Scale; a write changes spec.replicas of the object behind it."""
    patch = await read_body(request)
    whole = Target(target.resource, target.namespace, target.name)
    current = _scale(operations.get(whole))
    if request.method == "GET":
        return web.json_response(current)
    if request.method == "PUT":
        wanted = patch
    elif request.method == "PATCH":
        change = json_patch if request.content_type == JSON else merge_patch
        wanted = change(current, patch)
    else:
        raise method_not_allowed()
    replicas = _replicas(wanted)
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    body: Json = {"spec": {"replicas": replicas}}
    if version:
        body["metadata"] = {"resourceVersion": version}
    changed = operations.patch(whole, MERGE, body, write_options(request))
    return web.json_response(_scale(changed))


def _replicas(scale: object) -> int:
    spec = scale.get("spec") if isinstance(scale, dict) else None
    replicas = (spec or {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        raise bad_request("spec.replicas must be a whole number, 0 or more")
    return replicas


def _scale(obj: Json) -> Json:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in kept if name in obj["metadata"]},
        "spec": {"replicas": spec.get("replicas", 1)},
        "status": {
            "replicas": status.get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels.items()),
        },
    }
