"""The HTTPRoute of a deployment: who meets which revision.

Every list in it is atomic, and an apply of some of its fields takes the others away, so it is always written whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.adapters.kserve_manifests import deployment_labels
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.settings import HeaderRule

REVISION_HEADER = "x-headrace-revision"
# Who sends it meets the revision that it names, whatever the percentages are: for probes.
PROBE_HEADER = "x-headrace-probe"
PREDICTOR_PORT = 80
Gateway = tuple[str, str]


@dataclass(frozen=True)
class HeaderMatch:
    """Requests with this header go to this revision."""

    header: str
    value: str
    revision: str


@dataclass(frozen=True)
class Split:
    """Who meets what: weights by revision name, then exceptions by header, and copies to one revision."""

    weights: Mapping[str, int]
    matches: tuple[HeaderMatch, ...] = ()
    mirror: str | None = None
    mirror_percent: int = 0


def header_matches(
    rules: Iterable[HeaderRule], canary: str, stable: str, *, probes: bool
) -> tuple[HeaderMatch, ...]:
    """People's rules in their order, then our own probes: when those come and go, no other rule changes its position,
    by which Envoy Gateway names its metrics (adapters/prometheus_expressions.py)."""
    own = (
        (HeaderMatch(PROBE_HEADER, "canary", canary), HeaderMatch(PROBE_HEADER, "stable", stable))
        if probes
        else ()
    )
    theirs = (
        HeaderMatch(rule.header, rule.value, canary if rule.to == "Canary" else stable)
        for rule in rules
    )
    return (*theirs, *own)


def http_route(
    tenant_id: str,
    project: str,
    deployment: str,
    split: Split | Mapping[str, int],
    gateway: Gateway,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The route of a deployment; `gateway` is the Gateway's namespace and name.

    A header's rule is a rule of its own, because a rule that rewrites a prefix may have one match only. It goes before
    the rule without a header wherever it stands, as the closer match.
    """
    wanted = split if isinstance(split, Split) else Split(split)
    namespace = serving_namespace(tenant_id)
    name = route_name(project, deployment)
    path = {"path": {"type": "PathPrefix", "value": f"/serving/{namespace}/{name}"}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": deployment_labels(tenant_id, project, deployment),
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": {
            "parentRefs": [parent_of(gateway)],
            "rules": [
                _rule(path, wanted.weights, _mirrors(wanted)),
                *(
                    _rule(path | _header(match), {match.revision: 1}, [])
                    for match in wanted.matches
                ),
            ],
        },
    }


def parent_of(gateway: Gateway) -> dict[str, str]:
    return {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": gateway[0],
        "name": gateway[1],
    }


def weights_of(route: Mapping[str, Any]) -> dict[str, int]:
    """Revision names and weights of those requests for which no header decides.

    A weight that is not written is 1 (Gateway API).
    """
    return {
        str(backend["name"]).removesuffix("-predictor"): int(backend.get("weight", 1))
        for rule in route["spec"].get("rules", [])
        if not any(match.get("headers") for match in rule.get("matches") or [])
        for backend in rule.get("backendRefs", [])
    }


def shares_of(route: Mapping[str, Any]) -> dict[str, int]:
    """Revision names, and the most that any rule gives them: by its weights, by a header, or in copies."""
    shares: dict[str, int] = {}
    for rule in route["spec"].get("rules", []):
        mirrors = [f["requestMirror"] for f in rule.get("filters", []) if "requestMirror" in f]
        led = [(backend, backend.get("weight", 1)) for backend in rule.get("backendRefs", [])]
        led += [(mirror["backendRef"], mirror.get("percent", 100)) for mirror in mirrors]
        for backend, share in led:
            name = str(backend["name"]).removesuffix("-predictor")
            shares[name] = max(int(share), shares.get(name, 0))
    return shares


def _rule(
    match: dict[str, Any], weights: Mapping[str, int], mirrors: list[dict[str, Any]]
) -> dict[str, Any]:
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    return {
        "matches": [match],
        "filters": [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}, *mirrors],
        "backendRefs": [_backend(revision, weight) for revision, weight in weights.items()],
    }


def _header(match: HeaderMatch) -> dict[str, Any]:
    return {"headers": [{"type": "Exact", "name": match.header, "value": match.value}]}


def _mirrors(split: Split) -> list[dict[str, Any]]:
    """Copies carry no filters of their own: metrics tell them by the backend that they go to."""
    if split.mirror is None or not split.mirror_percent:
        return []
    mirror = {"backendRef": _service(split.mirror), "percent": split.mirror_percent}
    return [{"type": "RequestMirror", "requestMirror": mirror}]


def _service(revision: str) -> dict[str, Any]:
    return {
        "group": "",
        "kind": "Service",
        "name": f"{revision}-predictor",
        "port": PREDICTOR_PORT,
    }


def _backend(revision: str, weight: int) -> dict[str, Any]:
    """The header filter keeps Envoy Gateway from merging the backends of a rule into one cluster, whose metrics
    could not be told apart (envoyproxy/gateway#6742)."""
    header = {"name": REVISION_HEADER, "value": revision}
    return _service(revision) | {
        "weight": weight,
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}],
    }
