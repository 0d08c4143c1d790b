"""What is remembered of a request until it is accounted for."""

from dataclasses import dataclass

CLIENT_CLOSED_REQUEST = 499


@dataclass(slots=True)
class RequestRecord:
    """One request's decisions and outcome, for its metrics and its log line.

    `status` is 500 until something better is known, so that a defect of ours shows as one.
    """

    method: str
    path: str = ""
    correlation_id: str = ""
    namespace: str = ""
    route: str = ""
    backend: str = ""
    revision: str = ""
    endpoint: str = ""
    status: int = 500
    reason: str = ""
    sent_bytes: int = 0

    @property
    def labels(self) -> tuple[str, str, str, str]:
        """The label values of its metrics."""
        return self.namespace, self.route, self.backend, self.revision
