"""The defaults in the schemas of the Gateway API's HTTPRoute and Gateway (v1), which a real server fills in."""

from local.kubernetes_api.errors import Json


def default_http_route(obj: Json) -> None:
    """Fill in parents, matches, backends and filters of a route; `obj` is the caller's own."""
    spec = obj.setdefault("spec", {})
    for parent in spec.get("parentRefs") or ():
        parent.setdefault("group", "gateway.networking.k8s.io")
        parent.setdefault("kind", "Gateway")
    for rule in spec.setdefault("rules", [{}]):
        for match in rule.setdefault("matches", [{}]):
            _match(match)
        _filters(rule)
        for backend in rule.get("backendRefs") or ():
            _reference(backend)
            backend.setdefault("weight", 1)
            _filters(backend)


def _match(match: Json) -> None:
    path = match.setdefault("path", {})
    path.setdefault("type", "PathPrefix")
    path.setdefault("value", "/")
    for condition in (*(match.get("headers") or ()), *(match.get("queryParams") or ())):
        condition.setdefault("type", "Exact")


def _filters(holder: Json) -> None:
    for one in holder.get("filters") or ():
        if "requestRedirect" in one:
            one["requestRedirect"].setdefault("statusCode", 302)
        if "requestMirror" in one:
            mirror = one["requestMirror"]
            _reference(mirror.setdefault("backendRef", {}))
            if "fraction" in mirror:
                mirror["fraction"].setdefault("denominator", 100)


def _reference(backend: Json) -> None:
    backend.setdefault("group", "")
    backend.setdefault("kind", "Service")


def default_gateway(obj: Json) -> None:
    """Listeners admit routes of their own namespace unless they say otherwise."""
    for listener in obj.setdefault("spec", {}).get("listeners") or ():
        listener.setdefault("allowedRoutes", {"namespaces": {"from": "Same"}})
