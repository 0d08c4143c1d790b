"""Writes the objects of one InferenceService, and only what has changed since the last write."""

from datetime import UTC, datetime
from typing import Any

from local.kserve_controller import manifests, scaling
from local.kserve_controller.autoscaler import ScalingState
from local.kserve_controller.cluster import Cluster, merge_patch
from local.kserve_controller.conditions import FALSE, TRUE
from local.kserve_controller.pods import Pod
from local.kserve_controller.predictor import Predictor
from local.kserve_controller.runtimes import PredictorSpecError, Runtime
from local.kserve_controller.specification import InferenceService, Key, Manifest, PodTemplate
from local.kserve_controller.status import (
    Ingress,
    deployment_status,
    invalid_status,
    running_status,
    stopped_status,
)


class Publisher:
    """What the cluster has been told about one InferenceService.

    `status` is what the object said when the controller first saw it. Every method may raise
    ClusterError; calling it again continues where it stopped.
    """

    def __init__(
        self, cluster: Cluster, key: Key, status: Manifest, *, gateway: str, gateway_url: str
    ) -> None:
        self._cluster = cluster
        self._key = key
        self._status = status
        self._gateway = gateway
        self._gateway_url = gateway_url
        self._written: dict[tuple[str, str], Manifest] = {}
        self._statuses: dict[tuple[str, str], Manifest] = {}
        self._generations: dict[str, int] = {}
        self._swept = False

    def forget(self) -> None:
        """Write everything again: the cluster may have lost or changed it."""
        self._written.clear()
        self._swept = False

    def publish(
        self,
        service: InferenceService,
        template: PodTemplate,
        runtime: Runtime,
        state: Predictor,
        scale: ScalingState,
    ) -> bool:
        """Write all objects and the status; false when something awaits others and needs a look."""
        now = datetime.now(UTC)
        pods = state.pods()
        self._apply(manifests.service(service))
        self._apply_counted(manifests.deployment(service, template, scale.desired))
        self._publish_autoscaler(service, scale, now)
        self.publish_pods(service, state)
        earlier = self._statuses.get(("Deployment", self._key.predictor), {})
        of_deployment = deployment_status(
            pods,
            template.digest,
            self._generations["Deployment"],
            previous=earlier,
            now=now,
            wanted=scale.desired,
        )
        self._patch_status("Deployment", self._key.predictor, of_deployment)
        ingress = self._ingress(service, ready=state.serving)
        self._write_status(
            running_status(
                self._status,
                pods=pods,
                deployment=of_deployment,
                runtime=runtime,
                ingress=ingress,
                now=now,
            )
        )
        return ingress.status == TRUE or not state.serving

    def publish_pods(self, service: InferenceService, state: Predictor) -> None:
        """Write the pods and endpoints of the servers there are, under whichever spec."""
        pods = state.pods()
        for pod in pods:
            self._publish_pod(service, state.template_of(pod.name), pod)
        self._remove_others({pod.name for pod in pods})
        state.published()

    def publish_invalid(self, error: PredictorSpecError, *, serving: bool) -> None:
        now = datetime.now(UTC)
        self._write_status(invalid_status(self._status, error, serving=serving, now=now))

    def publish_stopped(self, service: InferenceService) -> None:
        """Remove what a stopped service does not keep, its Service included, as KServe does."""
        self._delete("HorizontalPodAutoscaler", self._key.predictor)
        self._delete("Deployment", self._key.predictor)
        self._delete("Service", self._key.predictor)
        if not service.cluster_local:
            self._delete("HTTPRoute", self._key.name)
        self._remove_others(set())
        ingress = Ingress(self._url(service), self._address(), TRUE)
        self._write_status(stopped_status(self._status, service, ingress, datetime.now(UTC)))

    def withdraw(self) -> None:
        """Take the endpoints out of service: their servers are about to end."""
        for name in [name for kind, name in self._written if kind == "EndpointSlice"]:
            self._delete("EndpointSlice", name)

    def _publish_autoscaler(
        self, service: InferenceService, scale: ScalingState, now: datetime
    ) -> None:
        name = self._key.predictor
        if not service.scaling.automatic:
            self._delete("HorizontalPodAutoscaler", name)
            return
        self._apply_counted(scaling.horizontal_pod_autoscaler(service))
        status = scaling.autoscaler_status(
            scale,
            self._statuses.get(("Deployment", name), {}).get("replicas", 0),
            self._generations["HorizontalPodAutoscaler"],
            previous=self._statuses.get(("HorizontalPodAutoscaler", name), {}),
            now=now,
        )
        self._patch_status("HorizontalPodAutoscaler", name, status)

    def _publish_pod(self, service: InferenceService, template: PodTemplate, pod: Pod) -> None:
        if pod.port is not None and pod.running:
            self._apply(manifests.endpoint_slice(service, pod, pod.port))
        else:
            self._delete("EndpointSlice", pod.name)
        self._apply(manifests.pod(service, template, pod.name))
        self._patch_status("Pod", pod.name, manifests.pod_status(template, pod))

    def _remove_others(self, names: set[str]) -> None:
        """Delete pods and slices of servers that are gone, a predecessor's included."""
        for kind in ("EndpointSlice", "Pod"):
            known = {name for written, name in self._written if written == kind}
            found = known if self._swept else known | self._cluster.names_of(kind, self._key)
            for name in found - names:
                self._delete(kind, name, certain=True)
        self._swept = True

    def _ingress(self, service: InferenceService, *, ready: bool) -> Ingress:
        url, address = self._url(service), self._address()
        if service.cluster_local:
            return Ingress(url, address, TRUE)
        if not ready and ("HTTPRoute", self._key.name) not in self._written:
            return Ingress(url, address, FALSE, "Predictor ingress not created")
        self._apply(manifests.http_route(service, self._gateway))
        route = self._cluster.get("HTTPRoute", self._key.namespace, self._key.name) or {}
        status, reason, message = _acceptance((route.get("status") or {}).get("parents") or [])
        return Ingress(url, address, status, reason, message)

    def _url(self, service: InferenceService) -> str:
        if service.cluster_local:
            return self._address()
        return f"{self._gateway_url.rstrip('/')}{manifests.external_path(service)}"

    def _address(self) -> str:
        return f"http://{self._key.predictor}.{self._key.namespace}.svc.cluster.local"

    def _apply(self, manifest: Manifest) -> Manifest | None:
        """Apply unless it is what was applied last; returns the object when it was applied."""
        place = (manifest["kind"], manifest["metadata"]["name"])
        if self._written.get(place) == manifest:
            return None
        answer = self._cluster.apply(manifest)
        self._written[place] = manifest
        return answer

    def _apply_counted(self, manifest: Manifest) -> None:
        """Apply an object whose status names the generation that it is about."""
        answer = self._apply(manifest)
        if answer is not None:
            self._generations[manifest["kind"]] = answer["metadata"].get("generation", 1)

    def _delete(self, kind: str, name: str, *, certain: bool = False) -> None:
        place = (kind, name)
        if not certain and self._swept and place not in self._written:
            return
        self._cluster.delete(kind, self._key.namespace, name)
        self._written.pop(place, None)
        self._statuses.pop(place, None)

    def _patch_status(self, kind: str, name: str, status: Manifest) -> None:
        place = (kind, name)
        patch = merge_patch(self._statuses.get(place, {}), status)
        if patch:
            self._cluster.patch_status(kind, self._key.namespace, name, patch)
            self._statuses[place] = status

    def _write_status(self, status: Manifest) -> None:
        patch = merge_patch(self._status, status)
        if patch:
            self._cluster.patch_status(
                "InferenceService", self._key.namespace, self._key.name, patch
            )
            self._status = status


def _acceptance(parents: list[dict[str, Any]]) -> tuple[str, str, str]:
    """IngressReady's status, reason and message, from a route's `status.parents`."""
    if not parents:
        return FALSE, "ParentStatusNotAvailable", "InferenceService HttpRouteNotReady"
    for parent in parents:
        for condition in parent.get("conditions") or []:
            if condition["status"] == FALSE:
                message = f"InferenceService {condition.get('message', '')}".strip()
                return FALSE, condition.get("reason", ""), message
    return TRUE, "", ""
