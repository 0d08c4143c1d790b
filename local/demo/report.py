"""How the demo shows what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median, quantiles
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from local.demo.rollouts import Outcome
from local.demo.traffic import Answers
from local.demo.training import Training
from local.settings import Settings


@dataclass(frozen=True)
class Hops:
    """Seconds from the manifest's upload until each hop was done."""

    registered: float
    rollout_started: float
    promoted: float

    @classmethod
    def of(cls, uploaded_at: float, version: dict[str, Any], rollout: dict[str, Any]) -> Self:
        """From the moment of the upload (seconds since the epoch) and the API's own times."""
        moments = (version["registered_at"], rollout["started_at"], rollout["ended_at"])
        since = [datetime.fromisoformat(moment).timestamp() - uploaded_at for moment in moments]
        return cls(*(max(0.0, seconds) for seconds in since))


def show_training(console: Console, training: Training) -> None:
    table = Table("model", "held-out rows", "accuracy by itself")
    for name, model in (("first", training.first), ("second", training.second)):
        table.add_row(name, str(len(training.rows)), f"{model.accuracy:.4f}")
    console.print(table)


def show_hops(console: Console, hops: Hops) -> None:
    table = Table("hop", "seconds after the upload")
    table.add_row("upload complete → version registered", f"{hops.registered:.2f}")
    table.add_row("→ rollout started", f"{hops.rollout_started:.2f}")
    table.add_row("→ model loaded, all traffic, promoted", f"{hops.promoted:.2f}")
    console.print(table)


def show_answers(
    console: Console,
    version: int,
    answers: Sequence[int],
    labels: Sequence[int],
    latencies: Sequence[float],
) -> None:
    right = sum(answer == label for answer, label in zip(answers, labels, strict=True))
    console.print(
        f"version {version}: all {len(answers)} answers by V2 and V1 are the model's own; "
        f"accuracy [bold]{right / len(labels):.4f}[/bold]; {_spread(latencies)}"
    )


def show_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One line a rollout, and below it where its evidence is."""
    table = Table("v", "ended as", "verdict", "bad→stable", "seen→stable", "users hit")
    for outcome in outcomes:
        table.add_row(
            str(outcome.version),
            outcome.state,
            outcome.check or "Pass",
            _seconds(outcome.first_bad_to_stable),
            _seconds(outcome.breach_to_stable),
            f"{outcome.share_harmed:.1%}" if outcome.state != "Promoted" else "-",
        )
    console.print(table)
    console.print(
        "bad→stable: from the first bad answer until all requests go to the stable version; "
        "seen→stable: from the look that saw it; users hit: share of those who asked meanwhile"
    )
    for outcome in outcomes:
        told = f"version {outcome.version}, evidence: {outcome.evidence}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
        if outcome.reason:
            console.print(f"  {outcome.reason}", markup=False, highlight=False)


def show_traffic(console: Console, answers: Answers) -> None:
    shares = ", ".join(f"{count} only the {name} says" for name, count in answers.by_model.items())
    console.print(
        f"live traffic: [bold]{answers.count} requests, {len(answers.failures)} failed[/bold] (all while "
        f"bad versions were tried); "
        f"{_spread(answers.latencies)}; of the answers in which the models differ: {shares or 'none'}"
    )


def show_around(
    console: Console, settings: Settings, described: dict[str, Any], endpoints: dict[str, str]
) -> None:
    console.rule("[bold]Look around")
    zeros = ", ".join(["0"] * 64)
    lines = (
        f"kubectl --kubeconfig {settings.kubeconfig} get isvc -A",
        f"curl '{described['api_url']}/api/v1/healthz'",
        f"curl -H \"Authorization: Bearer $(make -s token)\" '{described['api_url']}/api/v1/me'",
        f"curl '{described['api_url']}/api/v1/docs'    # or in a browser",
        f"curl -s -H 'Content-Type: application/json' {endpoints['v1']} -d '{{\"instances\": [[{zeros}]]}}'",
        f"curl -s http://127.0.0.1:{settings.ports.gateway_metrics}/metrics",
        f"ls {settings.logs}    # one file a process, models/ one a model server",
        f"cat {settings.stack_file}    # addresses, users and passwords of this stack",
        "make status; make down",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _spread(latencies: Sequence[float]) -> str:
    milliseconds = [1000 * latency for latency in latencies]
    percentile_99 = quantiles(milliseconds, n=100)[98]
    return f"latency median {median(milliseconds):.1f} ms, p99 {percentile_99:.1f} ms"
