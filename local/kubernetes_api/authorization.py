"""Who may do what: role-based access control as a Kubernetes API server decides it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from local.kubernetes_api.authentication import User
from local.kubernetes_api.bindings import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Binding,
    BindingIndex,
)
from local.kubernetes_api.errors import Json, StatusError
from local.kubernetes_api.storage import Store

MASTERS = "system:masters"
EVERYTHING: Json = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
EVERY_PATH: Json = {"verbs": ["*"], "nonResourceURLs": ["*"]}


@dataclass(frozen=True)
class Attributes:
    """What is asked for: a resource, or, where `path` is set, a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def whole_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True)
class Decision:
    """Yes or no, and what decided; `error` tells of roles that could not be found."""

    allowed: bool
    reason: str = ""
    error: str = ""


_YES = Decision(allowed=True)
_REMEMBERED = 4096  # decisions, until the next change of any role or binding


@dataclass(frozen=True)
class HeldRules:
    """Every rule that counts for a user in a namespace, and what could not be resolved."""

    rules: list[Json] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Authorizer:
    """Decides from the Roles and bindings in the store as they are at this moment."""

    def __init__(self, store: Store) -> None:
        self.bindings = BindingIndex(store)
        self._decided: dict[tuple[str, tuple[str, ...], Attributes], Decision] = {}
        for storage in (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
            store.follow(storage, lambda _: self._decided.clear())

    def decide(self, user: User, asked: Attributes) -> Decision:
        if MASTERS in user.groups:
            return _YES
        question = (user.username, user.groups, asked)
        if (known := self._decided.get(question)) is not None:
            return known
        if len(self._decided) >= _REMEMBERED:
            self._decided.clear()
        decision = self._decided[question] = self._decide(user, asked)
        return decision

    def _decide(self, user: User, asked: Attributes) -> Decision:
        errors: list[str] = []
        for binding, rules in self._walk(user, asked.namespace, errors):
            if any(allows(rule, asked) for rule in rules):
                return Decision(True, f"RBAC: allowed by {binding}")
        if not errors:
            return Decision(allowed=False)
        error = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
        return Decision(False, f"RBAC: {error}", error)

    def _walk(
        self, user: User, namespace: str, errors: list[str]
    ) -> Iterator[tuple[Binding, list[Json]]]:
        for binding in self.bindings.of(user, namespace):
            rules = self.bindings.rules(binding.role_kind, binding.role, binding.namespace)
            if rules is None:
                kind = f"{binding.role_kind.lower()}.rbac.authorization.k8s.io"
                errors.append(f'{kind} "{binding.role}" not found')
            else:
                yield binding, rules

    def held(self, user: User, namespace: str) -> HeldRules:
        """What the user may do in a namespace (``""``: at the cluster scope)."""
        if MASTERS in user.groups:
            return HeldRules([EVERYTHING, EVERY_PATH])
        errors: list[str] = []
        rules = [rule for _, found in self._walk(user, namespace, errors) for rule in found]
        return HeldRules(rules, errors)

    def require(self, user: User, asked: Attributes) -> None:
        """Raises a 403 StatusError unless the user may."""
        decision = self.decide(user, asked)
        if not decision.allowed:
            raise refusal(user, asked, decision.reason)


def refusal(user: User, asked: Attributes, reason: str = "") -> StatusError:
    """The 403 in the API server's words."""
    message = f'User "{user.username}" cannot {asked.verb} '
    if asked.path:
        message = f'forbidden: {message}path "{asked.path}"'
    else:
        place = (
            f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
        )
        of = f'resource "{asked.whole_resource}" in API group "{asked.group}" {place}'
        message = f"{_subject(asked)} is forbidden: {message}{of}"
    details: Json = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    return StatusError(
        403,
        "Forbidden",
        f"{message}: {reason}" if reason else message,
        {key: value for key, value in details.items() if value},
    )


def _subject(asked: Attributes) -> str:
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    return f'{qualified} "{asked.name}"' if asked.name else qualified


def allows(rule: Json, asked: Attributes) -> bool:
    """Whether one rule of a role covers what is asked."""
    if asked.path:
        return _has(rule, "verbs", asked.verb) and any(
            path_covers(pattern, asked.path) for pattern in rule.get("nonResourceURLs") or ()
        )
    names = rule.get("resourceNames")
    return (
        _has(rule, "verbs", asked.verb)
        and _has(rule, "apiGroups", asked.group)
        and resource_covers(rule.get("resources") or [], asked.whole_resource)
        and (not names or asked.name in names)
    )


def _has(rule: Json, field_name: str, wanted: str) -> bool:
    listed = rule.get(field_name) or ()
    return wanted in listed or "*" in listed


def resource_covers(listed: list[str], wanted: str) -> bool:
    """``*`` is every resource and subresource, ``*/scale`` that subresource of every resource."""
    if wanted in listed or "*" in listed:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"*/{subresource}" in listed


def path_covers(pattern: str, path: str) -> bool:
    """A pattern is a path, or the beginning of paths where it ends in ``*``."""
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
