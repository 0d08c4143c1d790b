"""A cluster's API by its kubeconfig, as `kubectl get --raw` reaches it."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes

from tests.stack.caller import Json

SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"


class ClusterClient:
    def __init__(self, kubeconfig: Path) -> None:
        self._client: Any = kubernetes.config.new_client_from_config(str(kubeconfig))

    def find(self, collection: str, namespace: str, name: str) -> Json | None:
        """An object of a collection such as SERVICES, or None."""
        return self._call("GET", f"{collection.format(namespace=namespace)}/{name}")

    def create(self, collection: str, namespace: str, manifest: Json) -> Json:
        """Create the object, and write its status if it has one."""
        path = collection.format(namespace=namespace)
        created = self._call("POST", path, manifest)
        assert created is not None
        if "status" in manifest:
            self.write_status(
                collection, namespace, manifest["metadata"]["name"], manifest["status"]
            )
        return created

    def write_status(self, collection: str, namespace: str, name: str, status: Json) -> None:
        """Write the object's status, as its controller does."""
        found = self.find(collection, namespace, name)
        assert found is not None
        path = f"{collection.format(namespace=namespace)}/{name}/status"
        self._call("PUT", path, found | {"status": status})

    def delete(self, collection: str, namespace: str, name: str) -> None:
        self._call("DELETE", f"{collection.format(namespace=namespace)}/{name}")

    def release(self, collection: str, namespace: str, name: str) -> None:
        """Take the object's finalizers away, as whoever holds it does in the end."""
        found = self.find(collection, namespace, name)
        assert found is not None
        del found["metadata"]["finalizers"]
        self._call("PUT", f"{collection.format(namespace=namespace)}/{name}", found)

    def _call(self, method: str, path: str, body: Json | None = None) -> Json | None:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        request = self._client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = self._client.call_api(*request, _request_timeout=10)
        response.read()
        if response.status == HTTPStatus.NOT_FOUND and method == "GET":
            return None
        assert response.status < HTTPStatus.BAD_REQUEST, response.data
        found: Json = json.loads(response.data)
        return found
