"""How metric sources are asked over HTTP: short time-outs, few repeats, small answers, one kind of failure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import urllib3

from controlplane.errors import MetricsUnavailableError

CONNECT_SECONDS = 2.0
READ_SECONDS = 8.0
# A source is asked again at the next tick; a repeat is for a connection that a restart has cut.
REPEATS = 1
MAX_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


@dataclass
class MetricsHttp:
    """A pool of connections. Redirects are not followed: what is signed for one address is for no other."""

    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        )
    )

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """The answer, whatever its status. Raises MetricsUnavailableError when there was none, or too long a one."""
        try:
            response = self.pool.request(
                method,
                url,
                body=body,
                headers=dict(headers),
                retries=urllib3.Retry(connect=REPEATS, read=0, status=0, redirect=False, other=0),
                preload_content=False,
            )
            try:
                content = response.read(MAX_BYTES + 1, decode_content=True)
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as failed:
            raise MetricsUnavailableError(
                f"the metrics source does not answer: {type(failed).__name__}",
                remedy="See that METRICS_URL is right and can be reached from the functions.",
            ) from failed
        if len(content) > MAX_BYTES:
            response.close()
            raise MetricsUnavailableError(
                f"the metrics source answered with more than {MAX_BYTES} bytes"
            )
        return Answer(response.status, content)
