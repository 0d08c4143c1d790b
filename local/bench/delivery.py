"""From a complete upload to the InferenceService in the cluster, on an embedded stack that does nothing else."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import kubernetes

from local import stack
from local.bench.budgets import Detail, Findings, Row
from local.bench.errors import BenchError
from local.demo.client import HeadraceClient, ModelFile, wait_until
from local.demo.training import Training, train
from local.settings import Settings

TENANT, PROJECT, MODEL = "acme", "bench", "digits"
NAMESPACE = f"tenant-{TENANT}"
BOUND = 3.0  # seconds, at the median
PATIENCE = 60.0  # seconds
WATCH_SECONDS = 2
HOPS = ("registered", "rollout started", "applied", "promoted")


@dataclass(frozen=True)
class Delivery:
    """One upload: seconds from the answer to the manifest's PUT until each hop was done."""

    version: int
    hops: dict[str, float]


@dataclass
class Sightings:
    """When a watch saw each InferenceService appear, in seconds since the epoch."""

    appeared: dict[str, float] = field(default_factory=dict)

    def note(self, name: str) -> None:
        """The watch has just told something of an InferenceService."""
        self.appeared.setdefault(name, time.time())


def measure_deliveries(settings: Settings, described: dict[str, Any], uploads: int) -> Findings:
    """Upload small models one after the other, each when the one before is served.

    One more upload goes first: it finds everything cold and is told apart. Raises BenchError.
    """
    training = train(settings)
    token = stack.access_token(settings, f"{TENANT}.developer")
    client = HeadraceClient(described["api_url"], token)
    client.ensure_project(PROJECT)
    with _watching(settings.kubeconfig) as sightings:
        deliveries = [_deliver(client, training, sightings) for _ in range(uploads + 1)]
    return _findings(deliveries[0], deliveries[1:])


def _deliver(client: HeadraceClient, training: Training, sightings: Sightings) -> Delivery:
    model = ModelFile(training.first.file, "model.joblib")
    upload = client.upload(PROJECT, MODEL, [model], "sklearn", training.framework_version)
    uploaded_at = time.time()
    ended = client.wait_for_upload(PROJECT, MODEL, upload, PATIENCE)
    if ended["state"] != "Registered":
        raise BenchError(f"the upload ended as {ended['state']}: {ended['reason']}")
    number = ended["version"]
    deployment = client.wait_for_rollout(PROJECT, MODEL, number)
    last = deployment["last_rollout"]
    if last["state"] != "Promoted" or last["version"] != number:
        raise BenchError(f"the rollout ended as {last['state']}: {last['reason']}")
    name = deployment["stable"]["name"]
    wait_until(lambda: sightings.appeared, lambda appeared: name in appeared, PATIENCE)
    version = client.get(f"/projects/{PROJECT}/models/{MODEL}/versions/{number}")
    rollout = client.get(f"/projects/{PROJECT}/deployments/{MODEL}/rollouts/{last['rollout']}")
    moments = {
        "registered": _seconds(version["registered_at"]),
        "rollout started": _seconds(rollout["started_at"]),
        "applied": sightings.appeared[name],
        "promoted": _seconds(rollout["ended_at"]),
    }
    return Delivery(number, {hop: moments[hop] - uploaded_at for hop in HOPS})


@contextmanager
def _watching(kubeconfig: Path) -> Iterator[Sightings]:
    """What a watch on the tenant's InferenceServices sees while the block runs."""
    client = kubernetes.config.new_client_from_config(str(kubeconfig))
    services = kubernetes.client.CustomObjectsApi(client)
    group = ("serving.kserve.io", "v1beta1", NAMESPACE, "inferenceservices")
    listed = services.list_namespaced_custom_object(*group)
    sightings = Sightings()

    ending = threading.Event()

    def look() -> None:
        # One watch after another: a watch looks whether it should end only when something comes.
        seen = str(listed["metadata"]["resourceVersion"])
        while not ending.is_set():
            for event in kubernetes.watch.Watch().stream(
                services.list_namespaced_custom_object,
                *group,
                resource_version=seen,
                timeout_seconds=WATCH_SECONDS,
            ):
                changed = event["object"]["metadata"]
                sightings.note(changed["name"])
                seen = changed["resourceVersion"]

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield sightings
    finally:
        ending.set()
        thread.join(PATIENCE)
        client.close()


def _findings(cold: Delivery, deliveries: list[Delivery]) -> Findings:
    applied = [delivery.hops["applied"] for delivery in deliveries]
    middle = median(applied)
    middles = {hop: median(delivery.hops[hop] for delivery in deliveries) for hop in HOPS}
    hops = ", ".join(f"{hop} {middles[hop]:.2f}" for hop in HOPS)
    row = Row(
        budget="upload complete → InferenceService applied, idle embedded stack",
        measured=f"median {middle:.2f} s, p90 {_percentile_90(applied):.2f} s of {len(applied)}; "
        f"medians: {hops}; the very first {cold.hops['applied']:.2f} s",
        bound=f"≤ {BOUND:.0f} s at the median",
        within=middle <= BOUND,
        is_count=False,
    )
    lines = [(f"version {d.version}", *_told(d)) for d in [cold, *deliveries]]
    lines.append(("median without the first", *(f"{middles[hop]:.2f}" for hop in HOPS)))
    columns = ("seconds after the upload", *HOPS)
    return Findings([row], [Detail("From upload to service", columns, lines)])


def _told(delivery: Delivery) -> list[str]:
    return [f"{delivery.hops[hop]:.2f}" for hop in HOPS]


def _percentile_90(figures: list[float]) -> float:
    return quantiles(figures, n=10, method="inclusive")[-1] if len(figures) > 1 else figures[0]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
