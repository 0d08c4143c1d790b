"""Probes: a request that people have set, sent to both revisions through the gateway, which counts the answers."""

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic

import urllib3

from controlplane.errors import RolloutFailedError, UnavailableError
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.analysis import Unanswered
from controlplane.serving.cluster_ports import Transition
from controlplane.serving.settings import Probe, find_path_fault

logger = logging.getLogger(__name__)
# The route's rules for it lead to the revision that it names (adapters/kserve_routes.py).
PROBE_HEADER = "x-headrace-probe"
CONCURRENCY = 4
# Until the last byte of an answer; a revision that takes longer has failed.
CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 10.0
# All probes of a tick together: the function that ticks has a minute for everything.
TOTAL_SECONDS = 15.0
CHUNK = 65_536
CANARY, STABLE = "canary", "stable"


class _Outcome(Enum):
    """What came of a probe. CUT_SHORT: the time of all probes was over before its own, which tells nothing."""

    COUNTED = auto()
    UNANSWERED = auto()
    CUT_SHORT = auto()
    NOT_SENT = auto()
    UNREACHED = auto()


@dataclass
class HttpProber:
    """A Prober. `ingress_url` is the gateway as its callers reach it; `total_seconds` is for all probes together."""

    ingress_url: str
    concurrency: int = CONCURRENCY
    connect_seconds: float = CONNECT_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    total_seconds: float = TOTAL_SECONDS

    def send(self, transition: Transition, probe: Probe) -> Unanswered:
        """Canary and stable by turns, so that what disturbs one of them disturbs the other as well.

        Every answer is counted by the gateway, and so is one that breaks off. What is not answered in time is given
        up, which to the gateway is the caller's doing: only we know better. Probes for which no time is left are not
        sent. Raises UnavailableError without a connection to the gateway, and RolloutFailedError for a path that would
        leave the deployment, which settings may hold that were stored before such paths were refused.
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
            targets = list(_turns(transition, probe))
            outcomes = list(
                threads.map(
                    lambda target: self._send(pool, url, target, probe.body, deadline), targets
                )
            )
        return _unanswered(targets, outcomes)

    def _send(
        self, pool: urllib3.PoolManager, url: str, target: str, body: str, deadline: float
    ) -> _Outcome:
        began = monotonic()
        left = deadline - began
        if left <= 0:
            return _Outcome.NOT_SENT
        limit = min(self.answer_seconds, left)
        too_late = _Outcome.UNANSWERED if left >= self.answer_seconds else _Outcome.CUT_SHORT
        timeout = urllib3.Timeout(connect=min(self.connect_seconds, left), read=limit)
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
            whole = _read_until(answer, began + limit)
        except (
            urllib3.exceptions.ConnectTimeoutError,
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.LocationValueError,
        ) as unreached:
            logger.debug("a probe did not reach the gateway: %s", type(unreached).__name__)
            return _Outcome.UNREACHED
        except urllib3.exceptions.ReadTimeoutError:
            return too_late
        except urllib3.exceptions.HTTPError:
            return _Outcome.COUNTED
        return _Outcome.COUNTED if whole else too_late


def _read_until(answer: urllib3.BaseHTTPResponse, deadline: float) -> bool:
    """To its end, so that the gateway counts it as answered; but a timeout of reads alone never ends a slow drip."""
    while answer.read1(CHUNK, decode_content=False):
        if monotonic() >= deadline:
            answer.close()
            return False
    answer.release_conn()
    return True


def _turns(transition: Transition, probe: Probe) -> Iterator[str]:
    targets = (CANARY, STABLE) if transition.stable else (CANARY,)
    for _ in range(probe.count):
        yield from targets


def _unanswered(targets: list[str], outcomes: list[_Outcome]) -> Unanswered:
    """Raises UnavailableError where the gateway was not reached."""
    found = Counter(outcomes)
    late = found[_Outcome.NOT_SENT] + found[_Outcome.CUT_SHORT]
    if late:
        logger.warning("%d of %d probes say nothing: the time was over", late, len(outcomes))
    if found[_Outcome.UNREACHED]:
        raise UnavailableError(
            f"the gateway could not be reached with {found[_Outcome.UNREACHED]} probes",
            remedy="See that INGRESS_URL is right and can be reached from the functions.",
        )
    of = Counter(
        target
        for target, outcome in zip(targets, outcomes, strict=True)
        if outcome is _Outcome.UNANSWERED
    )
    return Unanswered(of[CANARY], of[STABLE])
