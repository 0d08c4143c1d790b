"""The Kubernetes API as this controller uses it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from local.kserve_controller.manifests import INFERENCE_SERVICE_LABEL
from local.kserve_controller.specification import Key, Manifest

FIELD_MANAGER = "kserve-controller-manager"
REQUEST_TIMEOUT = (3.0, 10.0)  # seconds to connect, to read
WATCH_SECONDS = 60
JSON_TYPE = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML

PATHS = {
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Service": ("/api/v1", "services"),
    "Pod": ("/api/v1", "pods"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "InferenceService": ("/apis/serving.kserve.io/v1beta1", "inferenceservices"),
    "ServingRuntime": ("/apis/serving.kserve.io/v1alpha1", "servingruntimes"),
    "ClusterServingRuntime": ("/apis/serving.kserve.io/v1alpha1", "clusterservingruntimes"),
}


class ClusterError(Exception):
    """The API answered with an error; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class ClusterUnavailableError(ClusterError):
    """The API cannot be reached, or cannot answer now."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, message)


class WatchExpiredError(Exception):
    """The watch cannot go on from where it was: list again."""


@dataclass(frozen=True)
class WatchEvent:
    kind: str
    manifest: Manifest

    @property
    def resource_version(self) -> str:
        return str(self.manifest["metadata"]["resourceVersion"])


class Cluster:
    """A connection; safe to share between threads."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = client.Configuration()
        config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
        settings.retries = False
        settings.proxy = None  # the embedded API is on this machine, whatever the shell's proxies
        self._api = client.ApiClient(settings)

    def list_everywhere(self, kind: str, field_selector: str = "") -> tuple[list[Manifest], str]:
        """The objects of all namespaces, and the resource version to watch from."""
        query = [("fieldSelector", field_selector)] if field_selector else []
        answer = self._request("GET", _path(kind, None), query=query)
        return answer["items"], answer["metadata"]["resourceVersion"]

    def watch(
        self, kind: str, resource_version: str, field_selector: str = ""
    ) -> Iterator[WatchEvent]:
        """Events for about a minute. Raises WatchExpiredError or ClusterUnavailableError."""
        lister, where = self._lister(kind)
        stream = watch.Watch().stream(
            lister,
            **where,
            resource_version=resource_version,
            field_selector=field_selector,
            timeout_seconds=WATCH_SECONDS,
            _request_timeout=(REQUEST_TIMEOUT[0], WATCH_SECONDS + REQUEST_TIMEOUT[1]),
        )
        try:
            for event in stream:
                if event and event["type"] != "BOOKMARK":
                    yield WatchEvent(event["type"], event["raw_object"])
        except ApiException as error:
            if error.status == HTTPStatus.GONE:
                raise WatchExpiredError(str(error.reason)) from error
            raise ClusterUnavailableError(str(error.reason)) from error
        except (HTTPError, OSError, ValueError) as error:
            raise ClusterUnavailableError(str(error)) from error

    def _lister(self, kind: str) -> tuple[Callable[..., Any], dict[str, str]]:
        """The client's own method, by whose documentation its watch goes, and its arguments."""
        if kind == "ConfigMap":
            return client.CoreV1Api(self._api).list_config_map_for_all_namespaces, {}
        base, plural = PATHS[kind]
        _, _, group, version = base.split("/")
        where = {"group": group, "version": version, "plural": plural}
        return client.CustomObjectsApi(self._api).list_cluster_custom_object, where

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Manifest]:
        query = [("labelSelector", selector)] if selector else []
        answer = self._request("GET", _path(kind, namespace), query=query)
        return cast("list[Manifest]", answer["items"])

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        try:
            return self._request("GET", _path(kind, namespace, name))
        except ClusterError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply of the whole object; the answer is the object as it is now."""
        metadata = manifest["metadata"]
        path = _path(manifest["kind"], metadata.get("namespace"), metadata["name"])
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        return self._request("PATCH", path, query=query, body=manifest, content_type=APPLY_PATCH)

    def patch_status(self, kind: str, namespace: str, name: str, patch: Manifest) -> None:
        path = f"{_path(kind, namespace, name)}/status"
        body = {"status": patch}
        self._request("PATCH", path, body=body, content_type=MERGE_PATCH)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete at once; an object that is not there is fine."""
        try:
            body = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
            self._request("DELETE", _path(kind, namespace, name), body=body)
        except ClusterError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def names_of(self, kind: str, key: Key) -> set[str]:
        """The names of the objects of `kind` that belong to an InferenceService."""
        selector = f"{INFERENCE_SERVICE_LABEL}={key.name}"
        return {each["metadata"]["name"] for each in self.list(kind, key.namespace, selector)}

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Any = (),
        body: Manifest | None = None,
        content_type: str = JSON_TYPE,
    ) -> Manifest:
        # The client serializes what it knows to be JSON, and sends other text as it is.
        content = json.dumps(body) if content_type == APPLY_PATCH else body
        request = self._api.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Accept": JSON_TYPE, "Content-Type": content_type},
            body=content,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._api.call_api(*request, _request_timeout=REQUEST_TIMEOUT)
            response.read()
        except (ApiException, HTTPError, OSError) as error:
            raise ClusterUnavailableError(f"{method} {path}: {error}") from error
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise ClusterError(response.status, f"{method} {path}: {_reason(response.data)}")
        return cast("Manifest", json.loads(response.data))


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    base, plural = PATHS[kind]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{within}/{plural}" + (f"/{name}" if name else "")


def _reason(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode(errors="replace")


def merge_patch(old: Manifest, new: Manifest) -> Manifest:
    """The JSON merge patch (RFC 7396) that turns `old` into `new`; empty when they are equal."""
    patch: Manifest = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            inner = merge_patch(before, value)
            if inner:
                patch[name] = inner
        elif before != value:
            patch[name] = value
    return patch
