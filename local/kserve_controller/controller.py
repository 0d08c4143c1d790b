"""The control loop: watches fill a queue, one worker reconciles what is in it.

Servers are looked after from memory before anything is written, so they are restarted and drained
while the API is away; what could not be written is written once it is back.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.kserve_controller.autoscaler import Autoscaler, ScalingPolicy, ScalingState
from local.kserve_controller.cluster import Cluster, ClusterError, WatchEvent
from local.kserve_controller.faults import CONFIG_MAP, Orders
from local.kserve_controller.following import FIRST_RETRY, LONGEST_RETRY, Follower
from local.kserve_controller.installation import install
from local.kserve_controller.launcher import Launcher
from local.kserve_controller.predictor import Predictor, RestartPolicy
from local.kserve_controller.processes import ServerProcess
from local.kserve_controller.publisher import Publisher
from local.kserve_controller.runtimes import (
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
from local.serving.faults import NO_FAULT, Fault

logger = logging.getLogger(__name__)

LOOK_AGAIN = 1.0  # seconds, when another controller's answer is awaited
RUNTIME_LOOK_AGAIN = 5.0  # seconds, when the runtime may still appear


@dataclass(frozen=True)
class ControllerSettings:
    gateway: str  # <namespace>/<name> of the Gateway that external routes attach to
    gateway_url: str
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    scaling: ScalingPolicy = field(default_factory=ScalingPolicy)


@dataclass
class Managed:
    """What this controller keeps for one InferenceService."""

    uid: str
    predictor: Predictor
    publisher: Publisher
    autoscaler: Autoscaler
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
        self._orders = Orders()
        self._synced = False
        self._stopping = threading.Event()

    def run(self) -> None:
        """Work until `stop` is called, then take the endpoints back and end every server."""
        survivors = self._launcher.end_survivors()
        if survivors:
            logger.warning("ended %d model servers that a killed controller left", survivors)
        self._followers()
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
        act = self._stop if service.stopped else self._serve
        again = act(service, managed)
        managed.retries = 0
        return again

    def _stop(self, service: InferenceService, managed: Managed) -> float | None:
        managed.predictor.retire()
        managed.publisher.publish_stopped(service)
        managed.predictor.published()
        return managed.predictor.look_after()

    def _serve(self, service: InferenceService, managed: Managed) -> float | None:
        predictor, publisher = managed.predictor, managed.publisher
        fault = self._order_fault(service.key)
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
        scale = self._scale(service, managed)
        # A fault that changes lets servers be tried again that it may have killed too often.
        again = predictor.advance(template, scale.desired, (service.generation, fault))
        settled = publisher.publish(service, template, runtime, predictor, scale)
        # Writing the endpoints may have begun a drain, which has a time of its own.
        again = _earlier(again, predictor.look_after())
        again = _earlier(again, managed.autoscaler.next_look(service.scaling))
        return again if settled else _earlier(again, time.monotonic() + LOOK_AGAIN)

    def _scale(self, service: InferenceService, managed: Managed) -> ScalingState:
        used = managed.predictor.cpu_seconds() if service.scaling.automatic else {}
        return managed.autoscaler.decide(service.scaling, used, time.monotonic())

    def _order_fault(self, key: Key) -> Fault:
        """Tell the servers of a service what they are to suffer; that which is ordered."""
        fault = self._orders.fault_of(key)
        if self._orders.known:
            self._launcher.faults.write(key, fault)
        return fault

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
                autoscaler=Autoscaler(self._settings.scaling),
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
        """End the servers of a service that is gone; the cluster removes what it owned.

        Their endpoints go with it, so they drain from now on; nobody else looks after them.
        """
        managed = self._managed.pop(key, None)
        if managed is None:
            return
        logger.info("%s: ends its model servers", key)
        managed.predictor.retire()
        self._launcher.faults.write(key, NO_FAULT)
        ending = threading.Timer(self._settings.policy.drain, managed.predictor.stop)
        ending.daemon = True
        ending.start()

    def _withdraw_all(self) -> None:
        for key, managed in self._managed.items():
            try:
                managed.publisher.withdraw()
            except ClusterError as error:
                logger.warning("%s: endpoints not taken back: %s", key, error)
                return  # the API is gone, and with it most likely the whole stack

    def _followers(self) -> None:
        Follower(
            self._cluster,
            "InferenceService",
            listed=self._services_listed,
            changed=self._service_changed,
            stopping=self._stopping,
        ).start()
        Follower(
            self._cluster,
            "ConfigMap",
            name=CONFIG_MAP,
            listed=self._faults_listed,
            changed=self._faults_changed,
            stopping=self._stopping,
        ).start()

    def _services_listed(self, manifests: list[Manifest]) -> None:
        install(self._cluster, self._settings.gateway)
        found = {key_of(manifest): manifest for manifest in manifests}
        known = set(self._objects)
        self._objects = found
        self._relisted.update(found)
        self._synced = True
        self._queue.add_all(known | set(found))

    def _service_changed(self, event: WatchEvent) -> None:
        key = key_of(event.manifest)
        if event.kind == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = event.manifest
        self._queue.add(key)

    def _faults_listed(self, manifests: list[Manifest]) -> None:
        self._orders.replace(manifests)
        self._queue.add_all(list(self._objects))

    def _faults_changed(self, event: WatchEvent) -> None:
        namespace = event.manifest["metadata"]["namespace"]
        if event.kind == "DELETED":
            self._orders.remove(namespace)
        else:
            self._orders.update(event.manifest)
        self._queue.add_all(key for key in list(self._objects) if key.namespace == namespace)


def _earlier(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)
