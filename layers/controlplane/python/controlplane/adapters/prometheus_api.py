"""Instant queries of the Prometheus HTTP API, whoever serves it.

https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from controlplane.adapters.metrics_http import MetricsHttp
from controlplane.errors import MetricsUnavailableError

_OK, _UNAUTHORIZED = 200, 401
# A query that cannot be parsed, or carried out (too many samples, many-to-many matching).
_REFUSED = frozenset({400, 422})
EVALUATION_SECONDS = 5
_FORM = "application/x-www-form-urlencoded"
# Gives the headers that let a request in, made anew (`fresh`) after a refusal: of the URL, the body and its headers.
Authorize = Callable[[str, bytes, Mapping[str, str], bool], Mapping[str, str]]


class QueryRefusedError(MetricsUnavailableError):
    """Prometheus understood the request and will not answer this query; the message is what it says."""


class Sample(NamedTuple):
    labels: Mapping[str, str]
    value: float


class PrometheusApi:
    """`url` is what stands before /api/v1."""

    def __init__(
        self, url: str, authorize: Authorize | None = None, http: MetricsHttp | None = None
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._authorize = authorize
        self._http = http or MetricsHttp()

    def query(self, expression: str, moment: datetime) -> list[Sample]:
        """The samples of an instant vector, or the one of a scalar; NaN among them.

        Raises QueryRefusedError, MetricsUnavailableError; the latter as well when a part of the data was missing,
        since a part would be taken for the whole.
        """
        body = urlencode(
            {
                "query": expression,
                "time": f"{moment.timestamp():.3f}",
                "timeout": f"{EVALUATION_SECONDS}s",
            }
        ).encode()
        status, answer = self._post(body, fresh=False)
        if status == _UNAUTHORIZED and self._authorize:
            status, answer = self._post(body, fresh=True)
        told = _read(status, answer)
        if status in _REFUSED:
            raise QueryRefusedError(
                f"Prometheus refuses a query: {str(told.get('error', ''))[:300]}"
            )
        if status != _OK or told.get("status") != "success":
            raise _unavailable(f"answers {status} {str(told.get('errorType', ''))[:60]}".rstrip())
        _refuse_parts(told.get("warnings"))
        return _samples(told.get("data"))

    def _post(self, body: bytes, *, fresh: bool) -> tuple[int, bytes]:
        headers: dict[str, str] = {"Content-Type": _FORM, "Accept": "application/json"}
        if self._authorize:
            headers |= self._authorize(self._url, body, headers, fresh)
        answer = self._http.send("POST", self._url, headers=headers, body=body)
        return answer.status, answer.body


def _read(status: int, body: bytes) -> dict[str, Any]:
    """What lies before Prometheus answers its failures in other forms."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if isinstance(told, dict):
        return told
    if status == _OK:
        raise _unavailable("answers with something else than Prometheus does")
    return {}


def _refuse_parts(warnings: Any) -> None:
    """Some releases tell remarks about a query's style among the warnings; a warning is that data is missing."""
    told = [str(each) for each in warnings or () if not str(each).startswith("PromQL info")]
    if told:
        raise _unavailable(f"answers in part only: {told[0][:300]}")


def _samples(data: Any) -> list[Sample]:
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "vector":
            return [Sample(dict(one["metric"]), float(one["value"][1])) for one in result]
        if kind == "scalar":
            return [Sample({}, float(result[1]))]
    except (KeyError, TypeError, ValueError, IndexError) as unreadable:
        raise _unavailable("answers in a form that cannot be read") from unreadable
    raise QueryRefusedError(f"the query gives a {kind}, where a number is wanted")


def _unavailable(what: str) -> MetricsUnavailableError:
    return MetricsUnavailableError(
        f"the Prometheus of the rollouts' figures {what}",
        remedy="See that METRICS_URL names what stands before /api/v1, and what its own log says.",
    )
