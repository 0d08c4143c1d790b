"""What is refused with 422: names, and the few structural rules of the custom kinds that come built in."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from local.kubernetes_api import policy_validation
from local.kubernetes_api.errors import Json, invalid
from local.kubernetes_api.resources import Resource

Cause = tuple[str, str]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_RBAC_GROUP = "rbac.authorization.k8s.io"


def validate(resource: Resource, obj: Json) -> None:
    """Raises a 422 StatusError that lists every cause."""
    causes = [*_name_causes(resource, obj), *_metadata_causes(obj)]
    rules = _RULES.get(resource.storage)
    if rules:
        causes += rules(obj)
    if causes:
        name = obj["metadata"].get("name", "")
        raise invalid(resource.kind, resource.group, name, causes)


def validate_change(resource: Resource, live: Json, new: Json) -> None:
    """As `validate`, for an object that replaces another."""
    validate(resource, new)
    if "roleRef" in live and new.get("roleRef") != live["roleRef"]:
        why = f"Invalid value: {new.get('roleRef')}: cannot change roleRef"
        raise invalid(resource.kind, resource.group, live["metadata"]["name"], [("roleRef", why)])


def _name_causes(resource: Resource, obj: Json) -> Iterator[Cause]:
    name = obj["metadata"].get("name")
    if not name or not isinstance(name, str):
        yield "metadata.name", "Required value: name or generateName is required"
        return
    if resource.group == _RBAC_GROUP:
        if name in (".", "..") or "/" in name or "%" in name:
            yield "metadata.name", f'Invalid value: "{name}": may not contain "/" or "%"'
        return
    pattern, limit, rule = _SUBDOMAIN, 253, "a lowercase RFC 1123 subdomain"
    if resource.storage == "/namespaces":
        pattern, limit, rule = _LABEL, 63, "a lowercase RFC 1123 label"
    elif resource.storage == "/services":
        pattern, limit, rule = _SERVICE, 63, "a DNS-1035 label"
    if not pattern.fullmatch(name) or len(name) > limit:
        yield (
            "metadata.name",
            (
                f'Invalid value: "{name}": {rule} of at most {limit} characters must consist of lower '
                f"case alphanumeric characters or '-' and match '{pattern.pattern}'"
            ),
        )


def _metadata_causes(obj: Json) -> Iterator[Cause]:
    for field in ("labels", "annotations"):
        for key, value in (obj["metadata"].get(field) or {}).items():
            if not isinstance(value, str):
                yield f"metadata.{field}", f"Invalid value: {key}: must be a string"


def _inference_service(obj: Json) -> Iterator[Cause]:
    name = str(obj["metadata"].get("name", ""))
    if not _SERVICE.fullmatch(name):
        yield (
            "metadata.name",
            f"Invalid value: \"{name}\": an InferenceService name must match '{_SERVICE.pattern}'",
        )
    spec = obj.get("spec")
    predictor = spec.get("predictor") if isinstance(spec, dict) else None
    if not isinstance(predictor, dict):
        yield "spec.predictor", "Required value"
        return
    if "model" in predictor:
        model = predictor["model"]
        form = model.get("modelFormat") if isinstance(model, dict) else None
        if not isinstance(form, dict) or not form.get("name"):
            yield "spec.predictor.model.modelFormat.name", "Required value"


def _http_route(obj: Json) -> Iterator[Cause]:
    rules = (obj.get("spec") or {}).get("rules") or []
    for index, rule in enumerate(rules):
        at = f"spec.rules[{index}]"
        for number, backend in enumerate(rule.get("backendRefs") or ()):
            yield from _backend(backend, f"{at}.backendRefs[{number}]")
            yield from _filters(rule, backend.get("filters"), f"{at}.backendRefs[{number}]")
        yield from _filters(rule, rule.get("filters"), at)


def _backend(backend: Json, at: str) -> Iterator[Cause]:
    """Gateway API: a reference to a Service must name its port; weights are 0 to 1,000,000."""
    if not backend.get("name"):
        yield f"{at}.name", "Required value"
    is_service = backend.get("group", "") == "" and backend.get("kind", "Service") == "Service"
    if is_service and not isinstance(backend.get("port"), int):
        yield f"{at}", "Invalid value: Must have port for Service reference"
    weight = backend.get("weight", 1)
    if not isinstance(weight, int) or not 0 <= weight <= 1_000_000:
        yield f"{at}.weight", f"Invalid value: {weight}: must be between 0 and 1000000"


def _filters(rule: Json, filters: Any, at: str) -> Iterator[Cause]:
    """Gateway API: a prefix is replaced only where the rule has exactly one match, and that a PathPrefix."""
    for number, one in enumerate(filters or ()):
        where = f"{at}.filters[{number}]"
        if not one.get("type"):
            yield f"{where}.type", "Required value"
        if one.get("type") == "RequestMirror":
            backend = (one.get("requestMirror") or {}).get("backendRef")
            yield from _backend(backend or {}, f"{where}.requestMirror.backendRef")
        if _replaces_prefix(one) and not _has_one_prefix(rule):
            yield (
                at,
                (
                    "Invalid value: When using URLRewrite filter with path.replacePrefixMatch, "
                    "exactly one PathPrefix match must be specified"
                ),
            )


def _replaces_prefix(one: Json) -> bool:
    return any(
        ((one.get(kind) or {}).get("path") or {}).get("type") == "ReplacePrefixMatch"
        for kind in ("urlRewrite", "requestRedirect")
    )


def _has_one_prefix(rule: Json) -> bool:
    matches = rule.get("matches")
    if matches is None:
        return True  # the default is one match, the prefix "/"
    return (
        len(matches) == 1
        and (matches[0].get("path") or {}).get("type", "PathPrefix") == "PathPrefix"
    )


def _definition(obj: Json) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    for field, value in (
        ("spec.group", spec.get("group")),
        ("spec.names.plural", names.get("plural")),
        ("spec.names.kind", names.get("kind")),
        ("spec.versions", spec.get("versions")),
    ):
        if not value:
            yield field, "Required value"
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        yield "spec.scope", 'Unsupported value: supported values: "Cluster", "Namespaced"'
    if obj["metadata"].get("name") != f"{names.get('plural')}.{spec.get('group')}":
        yield "metadata.name", 'Invalid value: must be spec.names.plural+"."+spec.group'


_RULES: dict[str, Callable[[Json], Iterator[Cause]]] = {
    "/pods": policy_validation.pod,
    "/persistentvolumeclaims": policy_validation.claim,
    "/resourcequotas": policy_validation.resource_quota,
    "/limitranges": policy_validation.limit_range,
    f"{_RBAC_GROUP}/roles": policy_validation.role,
    f"{_RBAC_GROUP}/clusterroles": policy_validation.cluster_role,
    f"{_RBAC_GROUP}/rolebindings": policy_validation.role_binding,
    f"{_RBAC_GROUP}/clusterrolebindings": policy_validation.cluster_role_binding,
    "serving.kserve.io/inferenceservices": _inference_service,
    "gateway.networking.k8s.io/httproutes": _http_route,
    "apiextensions.k8s.io/customresourcedefinitions": _definition,
}
