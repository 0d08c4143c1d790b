"""Nobody grants what they do not hold: roles and bindings are checked against the rights of their writer."""

from collections.abc import Iterator
from itertools import product

from local.kubernetes_api.authentication import User
from local.kubernetes_api.authorization import (
    MASTERS,
    Attributes,
    Authorizer,
    path_covers,
    resource_covers,
)
from local.kubernetes_api.bindings import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
from local.kubernetes_api.errors import Json, not_found, refused
from local.kubernetes_api.targets import Target

_GROUP = "rbac.authorization.k8s.io"
_COLLECTOR_FIELDS = ("ownerReferences", "finalizers", "managedFields", "generation")


def check_grants(
    authorizer: Authorizer, user: User, target: Target, live: Json | None, obj: Json
) -> None:
    """Raises a 403 StatusError for a Role or binding beyond the writer's rights; others pass."""
    storage = target.resource.storage
    if MASTERS in user.groups or (live is not None and _intent(live) == _intent(obj)):
        return
    if storage in (ROLES, CLUSTER_ROLES):
        _check_role(authorizer, user, target, obj)
    elif storage in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
        _check_binding(authorizer, user, target, obj)


def _intent(obj: Json) -> Json:
    """The object without what garbage collection alone may change."""
    kept = {k: v for k, v in obj["metadata"].items() if k not in _COLLECTOR_FIELDS}
    return {**obj, "metadata": kept}


def _check_role(authorizer: Authorizer, user: User, target: Target, obj: Json) -> None:
    # The name is the address's, which a create does not have: resourceNames never cover it.
    asked = Attributes(
        "escalate", _GROUP, target.resource.plural, namespace=target.namespace, name=target.name
    )
    if not authorizer.decide(user, asked).allowed:
        _confirm(authorizer, user, target, obj, obj.get("rules") or [])


def _check_binding(authorizer: Authorizer, user: User, target: Target, obj: Json) -> None:
    reference = obj["roleRef"]
    kind, role = reference["kind"], reference["name"]
    plural = "clusterroles" if kind == "ClusterRole" else "roles"
    asked = Attributes("bind", _GROUP, plural, namespace=target.namespace, name=role)
    if authorizer.decide(user, asked).allowed:
        return
    rules = authorizer.bindings.rules(kind, role, target.namespace)
    if rules is None:
        raise not_found(f"{plural}.{_GROUP}", role)
    _confirm(authorizer, user, target, obj, rules)


def _confirm(
    authorizer: Authorizer, user: User, target: Target, obj: Json, granted: list[Json]
) -> None:
    held = authorizer.held(user, target.namespace)
    missing = [
        rule for rule in _atoms(granted) if not any(_covers(own, rule) for own in held.rules)
    ]
    if not missing:
        return
    groups = " ".join(f'"{group}"' for group in user.groups)
    lines = "\n".join(dict.fromkeys(_shown(rule) for rule in missing))
    why = (
        f'user "{user.username}" (groups=[{groups}]) is attempting to grant RBAC permissions '
        f"not currently held:\n{lines}"
    )
    if held.errors:
        why += f"; resolution errors: [{', '.join(held.errors)}]"
    raise refused(target.resource.qualified, obj["metadata"]["name"], why)


def _atoms(rules: list[Json]) -> Iterator[Json]:
    """The rules taken apart until each has one verb on one resource, name or path."""
    for rule in rules:
        names = [[name] for name in rule.get("resourceNames") or ()] or [[]]
        parts = (rule.get("apiGroups") or (), rule.get("resources") or (), rule.get("verbs") or ())
        for group, resource, verb in product(*parts):
            for name in names:
                yield {
                    "verbs": [verb],
                    "apiGroups": [group],
                    "resources": [resource],
                    "resourceNames": name,
                }
        for path, verb in product(rule.get("nonResourceURLs") or (), rule.get("verbs") or ()):
            yield {"verbs": [verb], "nonResourceURLs": [path]}


def _covers(own: Json, atom: Json) -> bool:
    if not _listed(own, atom, "verbs"):
        return False
    if "nonResourceURLs" in atom:
        path = atom["nonResourceURLs"][0]
        return any(path_covers(pattern, path) for pattern in own.get("nonResourceURLs") or ())
    names = own.get("resourceNames")
    return (
        _listed(own, atom, "apiGroups")
        and resource_covers(own.get("resources") or [], atom["resources"][0])
        and (not names or (bool(atom["resourceNames"]) and atom["resourceNames"][0] in names))
    )


def _listed(own: Json, atom: Json, field: str) -> bool:
    listed = own.get(field) or ()
    return "*" in listed or atom[field][0] in listed


def _shown(atom: Json) -> str:
    names = {"apiGroups": "APIGroups", "resources": "Resources", "resourceNames": "ResourceNames"}
    names |= {"nonResourceURLs": "NonResourceURLs", "verbs": "Verbs"}
    shown = ", ".join(
        f'{label}:["{atom[field][0]}"]' for field, label in names.items() if atom.get(field)
    )
    return f"{{{shown}}}"
