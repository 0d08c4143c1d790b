"""PromQL of a reading, from the names of series in `queries` and the names of a rollout."""

from collections.abc import Mapping
from typing import Any

from controlplane.adapters.metric_queries import read_queries
from controlplane.errors import MetricsUnavailableError
from controlplane.identifiers import is_name, route_name, serving_namespace
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.metric_ports import ReadingRequest
from controlplane.serving.settings import HeaderRule

# The series of a deployment behind its own HTTPRoute are the gateway's; the other mechanisms' have files of their own.
OF_MECHANISM = {
    Mechanism.KNATIVE: "knative",
    Mechanism.SPEC_CANARY: "kserve_server",
    Mechanism.GROUP: "llm_inference_service",
}


# Servers that tell more of themselves than KServe's own, where METRICS_GATEWAY names them.
_SERVERS = frozenset({"mlserver"})


def queries_for(mechanism: Mechanism, gateway: str) -> dict[str, Any]:
    """The names of series for a mechanism; ValueError for a gateway that there are none for."""
    if mechanism is Mechanism.SPEC_CANARY and gateway in _SERVERS:
        return read_queries(gateway)
    return read_queries(OF_MECHANISM.get(mechanism, gateway))


def selectors(
    queries: Mapping[str, Any], request: ReadingRequest, *, canary: bool
) -> dict[str, str]:
    """The selectors `requests`, `errors` and `latency` of one of the two revisions.

    Raises MetricsUnavailableError where copies are asked for and the series do not tell of them.
    """
    kind = "mirrored" if canary and request.mirrored else "live"
    if queries["matchers"][kind] is None:
        raise MetricsUnavailableError(
            f"no copies of requests are counted: {queries['why_no_copies']}",
            remedy="Judge the rollout on probes, or on live requests with the strategy Canary or Linear.",
        )
    matchers = _fill(str(queries["matchers"][kind]), _names(request, canary=canary))
    found = {}
    if queries["requests"]:
        asked = _joined(matchers, queries.get("requests_only"))
        found["requests"] = f"{queries['requests']}{{{asked}}}"
        found["errors"] = f"{queries['requests']}{{{asked},{queries['errors']}}}"
    if queries["latency"]:
        asked = _joined(matchers, queries.get("latency_only"))
        found["latency"] = f"{queries['latency']}{{{asked}}}"
    return found


def counted(selector: str, since: float, seconds: int, by: str = "") -> str:
    """How much counters have grown since a moment: whole numbers, and nothing lost of series that began after it.

    `increase` alone estimates beyond the samples, and of a series that appears with its first error it never sees
    that error. So: what a series shows last, less what it showed at `since`; all of it if there was none then; and
    `increase` only for those that began anew in between. Pods that have gone count with what they showed last.
    """
    window = f"[{seconds}s]"
    last = f"last_over_time({selector}{window})"
    grown = (
        f"(increase({selector}{window}) and (resets({selector}{window}) > 0))"
        f" or ({last} - ({selector} @ {since:.3f})) or {last}"
    )
    return f"sum {by}({grown})"


def restarts(selector: str, seconds: int) -> str:
    return f"sum(resets({selector}[{seconds}s]))"


def newest(selector: str) -> str:
    """The time of the newest sample, which lies before that of the query."""
    return f"max(timestamp({selector}))"


def named(expression: str, name: str) -> str:
    """The expression's series, told from those of the others by the label `figure`."""
    return f'label_replace({expression}, "figure", "{name}", "", "")'


def _names(request: ReadingRequest, *, canary: bool) -> dict[str, str]:
    revision = request.canary if canary else request.stable or ""
    names = {
        "namespace": serving_namespace(request.tenant_id),
        "route": route_name(request.project, request.deployment),
        "project": request.project,
        "deployment": request.deployment,
        "revision": revision,
        "version": revision.rpartition("--v")[2],
    }
    for value in (request.tenant_id, request.project, request.deployment):
        # They go into regular expressions as they are.
        if not is_name(value, 30):
            raise ValueError(f"{value!r} is no name")
    return names | {"rules": route_rules(request, canary=canary)}


def route_rules(request: ReadingRequest, *, canary: bool) -> str:
    """Which rules and backends of our own HTTPRoute lead to a revision, as a regular expression of their numbers.

    The first rule is the one with weights, the stable revision first; then one a header; then those of the probes,
    the canary's first (adapters/kserve_routes.py).
    """
    weighted = 1 if canary and request.stable else 0
    after = len(request.headers)
    probe = after + (1 if canary else 2)
    rules = [index for index, rule in enumerate(request.headers, 1) if _leads(rule, canary)]
    whole = "|".join(str(index) for index in (*rules, probe))
    return f"(0/backend/{weighted}|({whole})/backend/0)"


def _leads(rule: HeaderRule, canary: bool) -> bool:
    return (rule.to == "Canary") is canary


def _joined(matchers: str, more: str | None) -> str:
    return f"{matchers},{more}" if more else matchers


def _fill(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text
