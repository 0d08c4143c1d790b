"""The objects that the gateway needs and creates where they are missing.

An existing Gateway is left as people made it, but for one thing: the port of the listener `http`
follows the port that this process serves, because a stack may come back on another one.
"""

from typing import Any

from local.gateway.kubernetes_api import KubernetesApi, KubernetesApiError
from local.gateway.kubernetes_objects import (
    CONTROLLER_NAME,
    GATEWAY_CLASS,
    GATEWAY_GROUP,
    KubernetesObject,
    ObjectKey,
)
from local.gateway.status import accepted_class_status
from local.gateway.status_writer import utc_now

API_VERSION = f"{GATEWAY_GROUP}/v1"
CLASSES_PATH = f"/apis/{API_VERSION}/gatewayclasses"
LISTENER = "http"


async def seed(api: KubernetesApi, gateway: ObjectKey, port: int) -> None:
    """Create namespace, GatewayClass and Gateway where they are missing."""
    namespace, name = gateway
    await _ensure(api, "/api/v1/namespaces", _namespace(namespace))
    gateway_class = await _ensure(api, CLASSES_PATH, _gateway_class())
    status = accepted_class_status(gateway_class, utc_now())
    if status != gateway_class.get("status"):
        path = f"{CLASSES_PATH}/{GATEWAY_CLASS}/status"
        await api.request("PUT", path, body={**gateway_class, "status": status})
    collection = f"/apis/{API_VERSION}/namespaces/{namespace}/gateways"
    found = await _ensure(api, collection, _gateway(namespace, name, port))
    await _move_listener(api, f"{collection}/{name}", found, port)


async def _ensure(
    api: KubernetesApi, collection: str, wanted: KubernetesObject
) -> KubernetesObject:
    name = wanted["metadata"]["name"]
    try:
        return await api.request("GET", f"{collection}/{name}")
    except KubernetesApiError as error:
        if error.status != 404:
            raise
    try:
        return await api.request("POST", collection, body=wanted)
    except KubernetesApiError as error:
        if error.status != 409:
            raise
    # Somebody else was faster.
    return await api.request("GET", f"{collection}/{name}")


async def _move_listener(
    api: KubernetesApi, path: str, gateway: KubernetesObject, port: int
) -> None:
    for index, listener in enumerate(gateway["spec"].get("listeners") or ()):
        if listener["name"] == LISTENER and listener["port"] != port:
            change: list[dict[str, Any]] = [
                {"op": "test", "path": f"/spec/listeners/{index}/name", "value": LISTENER},
                {"op": "replace", "path": f"/spec/listeners/{index}/port", "value": port},
            ]
            await api.request(
                "PATCH", path, body=change, content_type="application/json-patch+json"
            )


def _namespace(name: str) -> KubernetesObject:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _gateway_class() -> KubernetesObject:
    return {
        "apiVersion": API_VERSION,
        "kind": "GatewayClass",
        "metadata": {"name": GATEWAY_CLASS},
        "spec": {
            "controllerName": CONTROLLER_NAME,
            "description": "The embedded gateway of Headrace",
        },
    }


def _gateway(namespace: str, name: str, port: int) -> KubernetesObject:
    listener = {
        "name": LISTENER,
        "port": port,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Gateway",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"gatewayClassName": GATEWAY_CLASS, "listeners": [listener]},
    }
