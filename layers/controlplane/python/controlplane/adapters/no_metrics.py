"""The metric source of a deployment that has none: nothing is known, so no verdict ever is Pass."""

from controlplane.serving.analysis import Reading
from controlplane.serving.metric_ports import ReadingRequest


class NoMetrics:
    """A MetricSource."""

    def read(self, request: ReadingRequest) -> Reading:  # noqa: ARG002 - the port's
        return Reading(observed_at=None, stable=None, canary=None)
