"""Where a rollout's figures come from, and where its evidence goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from controlplane.serving.analysis import AnalysisPolicy, Reading, Unanswered
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.settings import HeaderRule, Probe


@dataclass(frozen=True)
class ReadingRequest:
    """Which revisions to read of. `mirrored`: the canary gets copies, whose answers are counted apart.

    `headers` are those of the transition: some gateways tell a route's rules by their position alone.
    """

    tenant_id: str
    project: str
    deployment: str
    mechanism: Mechanism
    canary: str
    stable: str | None
    since: datetime
    mirrored: bool
    policy: AnalysisPolicy
    headers: tuple[HeaderRule, ...] = ()


class MetricSource(Protocol):
    def read(self, request: ReadingRequest) -> Reading:
        """Counts since `request.since` or an earlier moment that stays the same. Raises MetricsUnavailableError.

        A request that its caller gave up before a gateway had an answer is in none of them: it says nothing of one.
        """
        ...


class Prober(Protocol):
    def send(self, transition: Transition, probe: Probe) -> Unanswered:
        """Send the probe to both revisions. What they answer is counted where all requests are.

        Returns how many were not answered within their time limit, which is counted nowhere else. An answer that
        says no is no error. Raises UnavailableError when the gateway cannot be reached.
        """
        ...


class EvidenceStore(Protocol):
    def write(
        self,
        tenant_id: str,
        project: str,
        deployment: str,
        rollout_id: str,
        bundle: Mapping[str, Any],
    ) -> str:
        """Keep a rollout's evidence; its key. Writing it again replaces it. Raises UnavailableError."""
        ...


class EvidenceLinks(Protocol):
    def link(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str, expires_at: datetime
    ) -> str:
        """A URL under which the bundle can be read until then, whether or not it has been written yet."""
        ...
