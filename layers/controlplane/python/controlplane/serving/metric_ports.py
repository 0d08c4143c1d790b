"""Where a rollout's figures come from, and where its evidence goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from controlplane.serving.analysis import AnalysisPolicy, Reading
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.settings import Probe


@dataclass(frozen=True)
class ReadingRequest:
    """Which revisions to read of. `mirrored`: the canary gets copies, whose answers are counted apart."""

    tenant_id: str
    project: str
    deployment: str
    mechanism: Mechanism
    canary: str
    stable: str | None
    since: datetime
    mirrored: bool
    policy: AnalysisPolicy


class MetricSource(Protocol):
    def read(self, request: ReadingRequest) -> Reading:
        """Counts since `request.since` or an earlier moment that stays the same. Raises MetricsUnavailableError."""
        ...


class Prober(Protocol):
    def send(self, transition: Transition, probe: Probe) -> None:
        """Send the probe to both revisions. What they answer is counted where all requests are."""
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
        """Keep a rollout's evidence; its key. Writing it again replaces it."""
        ...
