"""Probes: a request that people have set, sent to both revisions through the gateway, which counts the answers."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

import urllib3

from controlplane.errors import RolloutFailedError, UnavailableError
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.cluster_ports import Transition
from controlplane.serving.settings import Probe, find_path_fault

logger = logging.getLogger(__name__)
# The route's rules for it lead to the revision that it names (adapters/kserve_routes.py).
PROBE_HEADER = "x-headrace-probe"
CONCURRENCY = 4
CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0
# All probes of a tick together: the function that ticks has a minute for everything.
TOTAL_SECONDS = 15.0
CHUNK = 65_536
_NO_TIME = "NoTimeLeft"


@dataclass
class HttpProber:
    """A Prober. `ingress_url` is the gateway as its callers reach it; `total_seconds` is for all probes together."""

    ingress_url: str
    concurrency: int = CONCURRENCY
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS
    total_seconds: float = TOTAL_SECONDS

    def send(self, transition: Transition, probe: Probe) -> None:
        """Canary and stable by turns, so that what disturbs one of them disturbs the other as well.

        No answer in time is one that the gateway counts; no connection to the gateway is not, and raises. Probes for
        which no time is left are not sent. Raises RolloutFailedError for a path that would leave the deployment,
        which settings may hold that were stored before such paths were refused.
        """
        if fault := find_path_fault(probe.path):
            raise RolloutFailedError(
                "ProbeRefused", f"the probe is not sent: {fault}", remedy="Set another probe."
            )
        url = (
            f"{self.ingress_url.rstrip('/')}/serving/{serving_namespace(transition.tenant_id)}"
            f"/{route_name(transition.project, transition.deployment)}{probe.path}"
        )
        deadline = monotonic() + self.total_seconds
        with (
            urllib3.PoolManager(maxsize=self.concurrency, retries=False) as pool,
            ThreadPoolExecutor(self.concurrency) as threads,
        ):
            sent = list(
                threads.map(
                    lambda target: self._send(pool, url, target, probe.body, deadline),
                    _turns(transition, probe),
                )
            )
        late = sent.count(_NO_TIME)
        if late:
            logger.warning("%d of %d probes were not sent: the time was over", late, len(sent))
        unreached = [outcome for outcome in sent if outcome not in (None, _NO_TIME)]
        if unreached:
            raise UnavailableError(
                f"the gateway could not be reached with {len(unreached)} probes: {unreached[0]}",
                remedy="See that INGRESS_URL is right and can be reached from the functions.",
            )

    def _send(
        self, pool: urllib3.PoolManager, url: str, target: str, body: str, deadline: float
    ) -> str | None:
        """Why the gateway was not reached; None when it was, whatever came of it."""
        left = deadline - monotonic()
        if left <= 0:
            return _NO_TIME
        timeout = urllib3.Timeout(
            connect=min(self.connect_seconds, left), read=min(self.read_seconds, left)
        )
        headers = {"Content-Type": "application/json", PROBE_HEADER: target}
        try:
            answer = pool.request(
                "POST",
                url,
                body=body.encode(),
                headers=headers,
                redirect=False,
                timeout=timeout,
                preload_content=False,
            )
            _read_until(answer, deadline)
        except (
            urllib3.exceptions.ConnectTimeoutError,
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.LocationValueError,
        ) as unreached:
            return type(unreached).__name__
        except urllib3.exceptions.HTTPError:
            return None
        return None


def _read_until(answer: urllib3.BaseHTTPResponse, deadline: float) -> None:
    """To its end, so that the gateway counts it as answered; but a timeout of reads alone never ends a slow drip."""
    while answer.read1(CHUNK, decode_content=False):
        if monotonic() >= deadline:
            answer.close()
            return
    answer.release_conn()


def _turns(transition: Transition, probe: Probe) -> Iterator[str]:
    targets = ("canary", "stable") if transition.stable else ("canary",)
    for _ in range(probe.count):
        yield from targets
