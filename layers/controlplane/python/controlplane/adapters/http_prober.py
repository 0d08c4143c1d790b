"""Probes: a request that people have set, sent to both revisions through the gateway, which counts the answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import urllib3

from controlplane.errors import UnavailableError
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.cluster_ports import Transition
from controlplane.serving.settings import Probe

# The route's rules for it lead to the revision that it names (adapters/kserve_routes.py).
PROBE_HEADER = "x-headrace-probe"
CONCURRENCY = 4
CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0


@dataclass
class HttpProber:
    """A Prober. `ingress_url` is the gateway as its callers reach it."""

    ingress_url: str
    concurrency: int = CONCURRENCY
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS

    def send(self, transition: Transition, probe: Probe) -> None:
        """Canary and stable by turns, so that what disturbs one of them disturbs the other as well.

        No answer in time is one that the gateway counts; no connection to the gateway is not, and raises.
        """
        url = (
            f"{self.ingress_url.rstrip('/')}/serving/{serving_namespace(transition.tenant_id)}"
            f"/{route_name(transition.project, transition.deployment)}{probe.path}"
        )
        with (
            urllib3.PoolManager(
                maxsize=self.concurrency,
                timeout=urllib3.Timeout(connect=self.connect_seconds, read=self.read_seconds),
                retries=False,
            ) as pool,
            ThreadPoolExecutor(self.concurrency) as threads,
        ):
            unreached = [
                outcome
                for outcome in threads.map(
                    lambda target: _send(pool, url, target, probe.body), _turns(transition, probe)
                )
                if outcome is not None
            ]
        if unreached:
            raise UnavailableError(
                f"the gateway could not be reached with {len(unreached)} probes: {unreached[0]}",
                remedy="See that INGRESS_URL is right and can be reached from the functions.",
            )


def _turns(transition: Transition, probe: Probe) -> Iterator[str]:
    targets = ("canary", "stable") if transition.stable else ("canary",)
    for _ in range(probe.count):
        yield from targets


def _send(pool: urllib3.PoolManager, url: str, target: str, body: str) -> str | None:
    """Why the gateway was not reached; None when it was, whatever came of it."""
    headers = {"Content-Type": "application/json", PROBE_HEADER: target}
    try:
        pool.request("POST", url, body=body.encode(), headers=headers, redirect=False)
    except (
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.LocationValueError,
    ) as unreached:
        return type(unreached).__name__
    except urllib3.exceptions.HTTPError:
        return None
    return None
