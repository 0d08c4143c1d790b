"""The control loop: a watch fills a queue, one worker reconciles what is in it.

Servers are looked after from memory before anything is written, so they are restarted and drained
while the API is away; what could not be written is written once it is back.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.kserve_controller.cluster import (
    Cluster,
    ClusterError,
    WatchExpiredError,
)
from local.kserve_controller.launcher import Launcher
from local.kserve_controller.predictor import Predictor, RestartPolicy
from local.kserve_controller.processes import ServerProcess
from local.kserve_controller.publisher import Publisher
from local.kserve_controller.runtimes import (
    SKLEARN_SERVER,
    PredictorSpecError,
    Runtime,
    pod_template,
    read_runtimes,
    select_runtime,
    server_module,
)
from local.kserve_controller.specification import (
    InferenceService,
    Key,
    Manifest,
    PodTemplate,
    is_being_deleted,
    key_of,
    read_inference_service,
)
from local.kserve_controller.work_queue import WorkQueue

logger = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.5, 10.0  # seconds
LOOK_AGAIN = 1.0  # seconds, when another controller's answer is awaited
RUNTIME_LOOK_AGAIN = 5.0  # seconds, when the runtime may still appear


@dataclass(frozen=True)
class ControllerSettings:
    gateway: str  # <namespace>/<name> of the Gateway that external routes attach to
    gateway_url: str
    policy: RestartPolicy = field(default_factory=RestartPolicy)


@dataclass
class Managed:
    """What this controller keeps for one InferenceService."""

    uid: str
    predictor: Predictor
    publisher: Publisher
    retries: int = 0


class Controller:
    """Reconciles every InferenceService of the cluster until it is stopped."""

    def __init__(self, cluster: Cluster, launcher: Launcher, settings: ControllerSettings) -> None:
        self._cluster = cluster
        self._launcher = launcher
        self._settings = settings
        self._queue = WorkQueue()
        self._objects: dict[Key, Manifest] = {}
        self._managed: dict[Key, Managed] = {}
        self._relisted: set[Key] = set()
        self._synced = False
        self._stopping = threading.Event()

    def run(self) -> None:
        """Work until `stop` is called, then take the endpoints back and end every server."""
        survivors = self._launcher.end_survivors()
        if survivors:
            logger.warning("ended %d model servers that a killed controller left", survivors)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        while (key := self._queue.take()) is not None:
            self._work_on(key)
        self._withdraw_all()
        self._launcher.stop_all()

    def stop(self) -> None:
        self._stopping.set()
        self._queue.close()

    def health(self) -> tuple[bool, dict[str, Any]]:
        return self._synced, {"synced": self._synced, "managedServices": len(self._managed)}

    def _work_on(self, key: Key) -> None:
        try:
            again = self._reconcile(key)
        except ClusterError as error:
            managed = self._managed.get(key)
            retries = managed.retries if managed else 0
            if managed:
                managed.retries += 1
            logger.warning("%s: %s; trying again", key, error)
            again = time.monotonic() + min(FIRST_RETRY * 2.0**retries, LONGEST_RETRY)
        if again is not None:
            self._queue.add(key, again)

    def _reconcile(self, key: Key) -> float | None:
        """Move one InferenceService towards its spec; returns when to look again, or None."""
        manifest = self._objects.get(key)
        if manifest is None or is_being_deleted(manifest):
            self._release(key)
            return None
        service = read_inference_service(manifest)
        if not service.standard_mode:
            self._release(key)
            return None
        managed = self._manage(service, manifest)
        if key in self._relisted:
            self._relisted.discard(key)
            managed.publisher.forget()
        if service.stopped:
            managed.predictor.stop()
            managed.predictor.look_after()
            managed.publisher.publish_stopped(service)
            again = None
        else:
            again = self._serve(service, managed)
        managed.retries = 0
        return again

    def _serve(self, service: InferenceService, managed: Managed) -> float | None:
        predictor, publisher = managed.predictor, managed.publisher
        try:
            runtime, template = self._plan(service)
        except PredictorSpecError as error:
            again = predictor.look_after()
            publisher.publish_pods(service, predictor)
            publisher.publish_invalid(error, serving=predictor.serving)
            return _earlier(again, time.monotonic() + RUNTIME_LOOK_AGAIN)
        except ClusterError:
            again = predictor.look_after()
            if again is not None:
                self._queue.add(service.key, again)
            raise
        again = predictor.advance(template, service.generation)
        settled = publisher.publish(service, template, runtime, predictor)
        # Writing the endpoints may have begun a drain, which has a time of its own.
        again = _earlier(again, predictor.look_after())
        return again if settled else _earlier(again, time.monotonic() + LOOK_AGAIN)

    def _plan(self, service: InferenceService) -> tuple[Runtime, PodTemplate]:
        if service.model is None:
            raise PredictorSpecError("InvalidPredictorSpec", "spec.predictor.model is missing")
        namespaced = self._cluster.list("ServingRuntime", service.key.namespace)
        cluster_wide = self._cluster.list("ClusterServingRuntime")
        runtime = select_runtime(
            service.model,
            read_runtimes(namespaced, cluster_scoped=False),
            read_runtimes(cluster_wide, cluster_scoped=True),
        )
        template = pod_template(service, runtime)
        server_module(template.image)
        return runtime, template

    def _manage(self, service: InferenceService, manifest: Manifest) -> Managed:
        key = service.key
        managed = self._managed.get(key)
        if managed is not None and managed.uid != service.uid:
            self._release(key)  # deleted and made anew between two looks
            managed = None
        if managed is None:
            managed = Managed(
                uid=service.uid,
                predictor=Predictor(
                    key, self._launch(key), self._settings.policy, lambda: self._queue.add(key)
                ),
                publisher=Publisher(
                    self._cluster,
                    key,
                    manifest.get("status") or {},
                    gateway=self._settings.gateway,
                    gateway_url=self._settings.gateway_url,
                ),
            )
            self._managed[key] = managed
        return managed

    def _launch(self, key: Key) -> Callable[[str, PodTemplate, Callable[[], None]], ServerProcess]:
        def launch(pod: str, template: PodTemplate, changed: Callable[[], None]) -> ServerProcess:
            process = self._launcher.launch(key, pod, template, changed)
            logger.info("%s: pod %s is process %d on port %d", key, pod, process.pid, process.port)
            return process

        return launch

    def _release(self, key: Key) -> None:
        """End the servers of a service that is gone; the cluster removes what it owned."""
        managed = self._managed.pop(key, None)
        if managed is not None:
            logger.info("%s: ends its model server", key)
            managed.predictor.stop()

    def _withdraw_all(self) -> None:
        for key, managed in self._managed.items():
            try:
                managed.publisher.withdraw()
            except ClusterError as error:
                logger.warning("%s: endpoints not taken back: %s", key, error)
                return  # the API is gone, and with it most likely the whole stack

    def _watch(self) -> None:
        retries = 0
        resource_version: str | None = None
        while not self._stopping.is_set():
            try:
                if resource_version is None:
                    resource_version = self._list()
                retries = 0
                resource_version = self._follow(resource_version)
            except WatchExpiredError:
                resource_version = None
            except ClusterError as error:
                resource_version = None
                retries += 1
                delay = min(FIRST_RETRY * 2.0 ** (retries - 1), LONGEST_RETRY)
                logger.warning("watch: %s; trying again in %.1f s", error, delay)
                self._stopping.wait(delay)

    def _list(self) -> str:
        self._seed_runtime()
        manifests, resource_version = self._cluster.list_inference_services()
        found = {key_of(manifest): manifest for manifest in manifests}
        known = set(self._objects)
        self._objects = found
        self._relisted.update(found)
        self._synced = True
        self._queue.add_all(known | set(found))
        return resource_version

    def _follow(self, resource_version: str) -> str:
        for event in self._cluster.watch_inference_services(resource_version):
            resource_version = event.resource_version
            key = key_of(event.manifest)
            if event.kind == "DELETED":
                self._objects.pop(key, None)
            else:
                self._objects[key] = event.manifest
            self._queue.add(key)
        return resource_version

    def _seed_runtime(self) -> None:
        """Make the runtime that a KServe installation brings, unless somebody already did."""
        names = {each["metadata"]["name"] for each in self._cluster.list("ClusterServingRuntime")}
        if SKLEARN_SERVER["metadata"]["name"] not in names:
            self._cluster.apply(SKLEARN_SERVER)


def _earlier(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)
