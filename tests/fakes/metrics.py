"""What a rollout is judged on, without a gateway: requests arrive as a test says, and answer as it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controlplane.errors import MetricsUnavailableError, UnavailableError
from controlplane.identifiers import now
from controlplane.serving.analysis import Reading, RevisionCounts, Unanswered
from controlplane.serving.cluster_ports import Transition
from controlplane.serving.metric_ports import ReadingRequest
from controlplane.serving.settings import Probe


@dataclass
class MemoryMetrics:
    """A MetricSource. Counts only grow, as a gateway's do; `down` readings in a row do not come.

    `counts_copies`: answers to copies are counted apart, in `copies`.
    """

    counts: dict[str, RevisionCounts] = field(default_factory=dict)
    copies: dict[str, RevisionCounts] = field(default_factory=dict)
    counts_copies: bool = False
    down: int = 0
    asked: list[ReadingRequest] = field(default_factory=list)

    def answer(self, revision: str, requests: int, errors: int = 0) -> None:
        """Requests that a revision has answered, so many of them badly; the good ones took 10 ms."""
        _count(self.counts, revision, requests, errors)

    def answer_copies(self, revision: str, requests: int, errors: int = 0) -> None:
        _count(self.copies, revision, requests, errors)

    def read(self, request: ReadingRequest) -> Reading:
        self.asked.append(request)
        if self.down:
            self.down -= 1
            raise MetricsUnavailableError("the source did not answer")
        return Reading(
            observed_at=now(),
            stable=self.counts.get(request.stable or ""),
            canary=self._of_canary(request),
        )

    def _of_canary(self, request: ReadingRequest) -> RevisionCounts | None:
        copies = request.mirrored and self.counts_copies
        return (self.copies if copies else self.counts).get(request.canary)


def _count(counts: dict[str, RevisionCounts], revision: str, requests: int, errors: int) -> None:
    before = counts.get(
        revision, RevisionCounts(latency_bounds=(10.0, 100.0), latency_counts=(0, 0, 0))
    )
    fast, slow, slowest = before.latency_counts
    counts[revision] = before.model_copy(
        update={
            "requests": before.requests + requests,
            "errors": before.errors + errors,
            "latency_counts": (fast + requests, slow, slowest),
        }
    )


@dataclass
class MemoryProber:
    """A Prober. `unanswered`: what every call finds."""

    sent: list[tuple[Transition, Probe]] = field(default_factory=list)
    down: int = 0
    unanswered: Unanswered = field(default_factory=Unanswered)

    def send(self, transition: Transition, probe: Probe) -> Unanswered:
        if self.down:
            self.down -= 1
            raise UnavailableError("the gateway did not answer")
        self.sent.append((transition, probe))
        return self.unanswered


@dataclass
class MemoryEvidence:
    """An EvidenceStore."""

    bundles: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)

    def write(
        self,
        tenant_id: str,
        project: str,
        deployment: str,
        rollout_id: str,
        bundle: Mapping[str, Any],
    ) -> str:
        self.bundles[tenant_id, project, deployment, rollout_id] = bundle
        return f"evidence/tenant-{tenant_id}/{project}/{deployment}/{rollout_id}.json"


@dataclass
class MemoryWaits:
    """TickWaits and TaskTokens: `completed` are the tokens that were answered."""

    tokens: dict[tuple[str, str, str], tuple[str, datetime]] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)

    def remember(
        self, tenant_id: str, project: str, deployment: str, token: str, expires_at: datetime
    ) -> None:
        self.tokens[tenant_id, project, deployment] = (token, expires_at)

    def find(self, tenant_id: str, project: str, deployment: str) -> str | None:
        found = self.tokens.get((tenant_id, project, deployment))
        return found[0] if found else None

    def complete(self, token: str) -> None:
        self.completed.append(token)
