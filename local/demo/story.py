"""What the demo does, step by step, and what it insists on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from rich.console import Console

from local import stack
from local.demo import report
from local.demo.client import HeadraceClient, ModelFile, wait_until
from local.demo.cluster import revision_exists
from local.demo.errors import DemoError
from local.demo.prediction import predict_v1, predict_v2
from local.demo.releases import Releases
from local.demo.rollouts import ALL_AT_ONCE, CANARY, QUICK_CANARY
from local.demo.traffic import LiveTraffic
from local.demo.training import TrainedModel, Training, train
from local.faults import Faults
from local.serving.faults import Fault
from local.settings import Settings

TENANT, PROJECT, MODEL = "acme", "vision", "digits"
NAMESPACE = f"tenant-{TENANT}"
LATENCY_SAMPLES = 200
BAD_VERSIONS = (
    ("answers errors", Fault(errorRate=0.5)),
    ("is slow", Fault(latencyMs=400, latencyJitterMs=50)),
)


@dataclass(frozen=True)
class Served:
    """A version that is served, and when each hop towards it was done."""

    version: int
    revision: str
    endpoints: dict[str, str]
    hops: report.Hops


class Story:
    """Tells the whole story once. It can be told again on the same stack: versions go on from there."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console

    def tell(self) -> None:
        self._console.rule("[bold]1 · The embedded stack")
        described = stack.up(self._settings, self._show)
        client = self._sign_in(described)
        training = self._train()

        self._console.rule("[bold]4 · Upload the first model")
        releases = Releases(client, PROJECT, MODEL, self._note)
        releases.use_if_present(ALL_AT_ONCE)
        first = self._serve(client, training, training.first)
        report.show_hops(self._console, first.hops)
        self._compare(first, training, training.first)

        with self._live_traffic(first, training) as traffic:
            second = self._promote(client, releases, training, traffic)
            self._roll_back_bad_ones(client, releases, training, traffic, second)
        report.show_traffic(self._console, traffic.answers)
        report.show_outcomes(self._console, releases.outcomes)
        self._compare_again(client, second, training)
        self._see_retired(first)
        report.show_around(self._console, self._settings, described, first.endpoints)

    def _sign_in(self, described: dict[str, Any]) -> HeadraceClient:
        self._console.rule("[bold]2 · Sign in, and a project")
        username = next(
            user["username"]
            for user in described["users"]
            if user["tenant"] == TENANT and user["role"] == "developer"
        )
        with self._step(f"signed in to Cognito as {username}"):
            token = stack.access_token(self._settings, username)
            client = HeadraceClient(described["api_url"], token)
        with self._step(f"project {PROJECT} is there"):
            client.ensure_project(PROJECT)
        return client

    def _train(self) -> Training:
        self._console.rule("[bold]3 · Train")
        with self._step("trained two classifiers on scikit-learn's digits"):
            training = train(self._settings)
        report.show_training(self._console, training)
        return training

    def _serve(self, client: HeadraceClient, training: Training, model: TrainedModel) -> Served:
        version, uploaded_at = self._upload(client, training, model)
        with self._step("events did the rest: registered, rolled out"):
            deployment = client.wait_for_rollout(PROJECT, MODEL, version)
        last = deployment["last_rollout"]
        if last["state"] != "Promoted" or last["version"] != version:
            raise DemoError(f"the rollout ended as {last['state']}: {last['reason']}")
        base = f"/projects/{PROJECT}"
        registered = client.get(f"{base}/models/{MODEL}/versions/{version}")
        rollout = client.get(f"{base}/deployments/{MODEL}/rollouts/{last['rollout']}")
        return Served(
            version=version,
            revision=deployment["stable"]["name"],
            endpoints=deployment["endpoints"],
            hops=report.Hops.of(uploaded_at, registered, rollout),
        )

    def _upload(
        self, client: HeadraceClient, training: Training, model: TrainedModel
    ) -> tuple[int, float]:
        """The version that the upload became, and when its last file was sent (seconds since the epoch)."""
        with self._step("uploaded the model file, and the manifest last"):
            upload = client.upload(
                PROJECT,
                MODEL,
                [ModelFile(model.file, "model.joblib")],
                "sklearn",
                training.framework_version,
            )
        uploaded_at = time.time()
        ended = client.wait_for_upload(PROJECT, MODEL, upload)
        if ended["state"] != "Registered":
            raise DemoError(f"the upload ended as {ended['state']}: {ended['reason']}")
        return int(ended["version"]), uploaded_at

    def _compare(self, served: Served, training: Training, model: TrainedModel) -> None:
        self._compare_answers(served.version, served.endpoints, training, model)

    def _compare_answers(
        self, version: int, endpoints: dict[str, str], training: Training, model: TrainedModel
    ) -> None:
        """Every answer of both protocols must be the model's own."""
        with requests.Session() as session, self._step("asked for every held-out row by V2 and V1"):
            by_v2 = predict_v2(session, endpoints["v2"], training.rows)
            by_v1 = predict_v1(session, endpoints["v1"], training.rows)
        if by_v2 != model.predictions or by_v1 != model.predictions:
            raise DemoError(f"version {version} does not answer as the model itself does")
        latencies = self._measure(endpoints["v2"], training)
        report.show_answers(self._console, version, by_v2, training.labels, latencies)

    def _measure(self, url: str, training: Training) -> list[float]:
        latencies = []
        with requests.Session() as session:
            for row in training.rows[:LATENCY_SAMPLES]:
                started = time.perf_counter()
                predict_v2(session, url, [row])
                latencies.append(time.perf_counter() - started)
        return latencies

    def _live_traffic(self, served: Served, training: Training) -> LiveTraffic:
        models = {
            "first": training.first.predictions,
            "second": training.second.predictions,
        }
        return LiveTraffic(served.endpoints["v2"], training.rows, models)

    def _promote(
        self,
        client: HeadraceClient,
        releases: Releases,
        training: Training,
        traffic: LiveTraffic,
    ) -> int:
        self._console.rule("[bold]5 · A second version: 10 %, 50 %, all, while callers go on")
        releases.use(QUICK_CANARY)
        with self._step("judged on live requests, and promoted"):
            rollout = releases.roll_out(
                lambda: self._upload(client, training, training.second)[0], traffic, "Promoted"
            )
        if traffic.answers.failures:
            raise DemoError(f"callers met failures: {traffic.answers.failures[:5]}")
        return int(rollout["version"])

    def _roll_back_bad_ones(
        self,
        client: HeadraceClient,
        releases: Releases,
        training: Training,
        traffic: LiveTraffic,
        good: int,
    ) -> None:
        releases.use(CANARY)
        faults = Faults(self._settings.kubeconfig)
        for distance, (what, fault) in enumerate(BAD_VERSIONS, start=1):
            number = 5 + distance
            self._console.rule(f"[bold]{number} · A version that {what}, while callers go on")
            revision = f"{PROJECT}--{MODEL}--v{good + distance}"
            faults.set(NAMESPACE, revision, fault)
            with self._step("seen, and rolled back"):
                releases.roll_out(
                    lambda: self._upload(client, training, training.second)[0],
                    traffic,
                    "RolledBack",
                )
            releases.require_calm(traffic)
        faults.clear(NAMESPACE)

    def _compare_again(self, client: HeadraceClient, version: int, training: Training) -> None:
        """After both rollbacks it is the second version that answers."""
        found = client.get(f"/projects/{PROJECT}/deployments/{MODEL}")
        if found["stable"]["version"] != version:
            raise DemoError(f"version {found['stable']['version']} is served, not {version}")
        self._compare_answers(version, found["endpoints"], training, training.second)

    def _see_retired(self, first: Served) -> None:
        with self._step(f"revision {first.revision} went after its grace time"):
            wait_until(
                lambda: revision_exists(self._settings.kubeconfig, NAMESPACE, first.revision),
                lambda exists: not exists,
                60,
            )

    @contextmanager
    def _step(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        with self._console.status(title):
            yield
        self._show(stack.Step(title, time.monotonic() - started))

    def _note(self, text: str) -> None:
        self._console.print(f"  [dim]{text}[/dim]")

    def _show(self, step: stack.Step) -> None:
        self._console.print(f"[green]✓[/green] {step.title} [dim]{step.seconds:.1f} s[/dim]")
