"""What is refused with 422 of Roles and bindings, quotas and limits."""

from collections.abc import Iterator
from typing import Any

from local.kubernetes_api.errors import Json
from local.kubernetes_api.quantities import QuantityError, quantity

Cause = tuple[str, str]
_GROUP = "rbac.authorization.k8s.io"
_LIMITS = ("default", "defaultRequest", "max", "maxLimitRequestRatio", "min")


def role(obj: Json) -> Iterator[Cause]:
    for index, rule in enumerate(obj.get("rules") or ()):
        if rule.get("nonResourceURLs"):
            why = "Invalid value: namespaced rules cannot apply to non-resource URLs"
            yield f"rules[{index}].nonResourceURLs", why
        yield from _rule(rule, f"rules[{index}]")


def cluster_role(obj: Json) -> Iterator[Cause]:
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]")


def _rule(rule: Json, at: str) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield f"{at}.verbs", "Required value: verbs must contain at least one value"
    if rule.get("nonResourceURLs"):
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            why = (
                "Invalid value: rules cannot apply to both regular resources and non-resource URLs"
            )
            yield f"{at}.nonResourceURLs", why
        return
    if not rule.get("apiGroups"):
        yield f"{at}.apiGroups", "Required value: resource rules must supply at least one api group"
    if not rule.get("resources"):
        yield f"{at}.resources", "Required value: resource rules must supply at least one resource"


def role_binding(obj: Json) -> Iterator[Cause]:
    yield from _reference(obj, ("Role", "ClusterRole"))
    yield from _subjects(obj, namespaced=True)


def cluster_role_binding(obj: Json) -> Iterator[Cause]:
    yield from _reference(obj, ("ClusterRole",))
    yield from _subjects(obj, namespaced=False)


def _reference(obj: Json, kinds: tuple[str, ...]) -> Iterator[Cause]:
    reference = obj.get("roleRef") or {}
    if reference.get("apiGroup") != _GROUP:
        yield "roleRef.apiGroup", f'Unsupported value: supported values: "{_GROUP}"'
    if reference.get("kind") not in kinds:
        supported = ", ".join(f'"{kind}"' for kind in kinds)
        yield "roleRef.kind", f"Unsupported value: supported values: {supported}"
    if not reference.get("name"):
        yield "roleRef.name", "Required value"


def _subjects(obj: Json, *, namespaced: bool) -> Iterator[Cause]:
    for index, subject in enumerate(obj.get("subjects") or ()):
        at, kind = f"subjects[{index}]", subject.get("kind")
        if not subject.get("name"):
            yield f"{at}.name", "Required value"
        if kind not in ("User", "Group", "ServiceAccount"):
            supported = '"ServiceAccount", "User", "Group"'
            yield f"{at}.kind", f"Unsupported value: supported values: {supported}"
        elif subject.get("apiGroup", "") != ("" if kind == "ServiceAccount" else _GROUP):
            yield f"{at}.apiGroup", "Unsupported value: does not fit the kind"
        if kind == "ServiceAccount" and not namespaced and not subject.get("namespace"):
            yield f"{at}.namespace", "Required value"


def default_binding(obj: Json) -> None:
    """The API group of a role and of users and groups may be left out."""
    reference = obj.get("roleRef")
    if reference and not reference.get("apiGroup"):
        reference["apiGroup"] = _GROUP
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = _GROUP


def resource_quota(obj: Json) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _amounts(spec.get("hard"), "spec.hard")
    for field in ("scopes", "scopeSelector"):
        if spec.get(field):
            yield f"spec.{field}", "Forbidden: this embedded API counts without scopes"


def limit_range(obj: Json) -> Iterator[Cause]:
    for index, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        at = f"spec.limits[{index}]"
        if not item.get("type"):
            yield f"{at}.type", "Required value"
        wrong = [one for name in _LIMITS for one in _amounts(item.get(name), f"{at}.{name}")]
        yield from wrong or _ordered(item, at)


def _ordered(item: Json, at: str) -> Iterator[Cause]:
    """Minimum, default request, default and maximum may not be the wrong way round."""
    chain = ("min", "defaultRequest", "default", "max")
    for low_field, high_field in ((a, b) for i, a in enumerate(chain) for b in chain[i + 1 :]):
        for name, low in (item.get(low_field) or {}).items():
            high = (item.get(high_field) or {}).get(name)
            if high is not None and quantity(low) > quantity(high):
                why = f"Invalid value: {low}: {low_field} is greater than {high_field} {high}"
                yield f"{at}.{low_field}[{name}]", why


def pod(obj: Json) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            at = f"spec.{kind}[{index}].resources"
            yield from _resources(container.get("resources") or {}, at)
    yield from _resources(spec.get("resources") or {}, "spec.resources")
    yield from _amounts(spec.get("overhead"), "spec.overhead")


def claim(obj: Json) -> Iterator[Cause]:
    yield from _resources((obj.get("spec") or {}).get("resources") or {}, "spec.resources")


def _resources(resources: Json, at: str) -> Iterator[Cause]:
    for field in ("requests", "limits"):
        yield from _amounts(resources.get(field), f"{at}.{field}")
    limits: Json = resources.get("limits") or {}
    for name, asked in (resources.get("requests") or {}).items():
        if name in limits and _is_more(asked, limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            yield f"{at}.requests", f'Invalid value: "{asked}": {why}'


def _is_more(asked: Any, limit: Any) -> bool:
    try:
        return quantity(asked) > quantity(limit)
    except QuantityError:
        return False  # told where it stands


def _amounts(listed: Any, at: str) -> Iterator[Cause]:
    for name, amount in (listed or {}).items():
        try:
            if quantity(amount).value < 0:
                why = "must be greater than or equal to 0"
                yield f"{at}[{name}]", f'Invalid value: "{amount}": {why}'
        except QuantityError as problem:
            yield f"{at}[{name}]", f"Invalid value: {problem}"
