"""Who is bound to which role: (Cluster)RoleBindings by subject, kept up with every change of the store."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.kubernetes_api.authentication import User, service_account_name
from local.kubernetes_api.errors import Json
from local.kubernetes_api.storage import Change, Key, Store, key_of

_GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"{_GROUP}/roles", f"{_GROUP}/clusterroles"
ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS = f"{_GROUP}/rolebindings", f"{_GROUP}/clusterrolebindings"

Subject = tuple[str, str]  # "User" or "Group", and its name; a ServiceAccount is its user


@dataclass(frozen=True)
class Binding:
    """One subject's hold on one role; `namespace` is empty for a ClusterRoleBinding."""

    namespace: str
    name: str
    role_kind: str
    role: str
    subject: str  # as the reasons of reviews show it

    def __str__(self) -> str:
        kind, where = ("RoleBinding", f"/{self.namespace}") if self.namespace else ("", "")
        kind = kind or "ClusterRoleBinding"
        return f'{kind} "{self.name}{where}" of {self.role_kind} "{self.role}" to {self.subject}'


class BindingIndex:
    """Answers by subject and namespace, so that a request costs the same with ten tenants and ten thousand."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[Subject, dict[str, dict[Key, Binding]]] = {}
        for storage in (CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS):
            for obj in store.find(storage):
                self._add(obj)
            store.follow(storage, self._changed)

    def _changed(self, change: Change) -> None:
        if change.previous is not None:
            self._drop(change.previous)
        if change.type != "DELETED":
            self._add(change.object)

    def _add(self, obj: Json) -> None:
        for subject, binding in _bindings(obj):
            of_namespace = self._found.setdefault(subject, {}).setdefault(binding.namespace, {})
            of_namespace[key_of(obj)] = binding

    def _drop(self, obj: Json) -> None:
        for subject, binding in _bindings(obj):
            namespaces = self._found.get(subject, {})
            namespaces.get(binding.namespace, {}).pop(key_of(obj), None)
            if not namespaces.get(binding.namespace):
                namespaces.pop(binding.namespace, None)
            if not namespaces:
                self._found.pop(subject, None)

    def of(self, user: User, namespace: str) -> Iterator[Binding]:
        """The user's bindings that count in a namespace (``""``: at the cluster scope), widest first."""
        subjects = [("User", user.username), *(("Group", group) for group in user.groups)]
        found = [self._found[subject] for subject in subjects if subject in self._found]
        for scope in ("", namespace) if namespace else ("",):
            once: dict[Key, Binding] = {}  # one that names its user and a group counts once
            for namespaces in found:
                once |= namespaces.get(scope, {})
            yield from once.values()

    def rules(self, role_kind: str, role: str, namespace: str) -> list[Json] | None:
        """The rules of a role as they are now, None when there is no such role."""
        storage, scope = (CLUSTER_ROLES, "") if role_kind == "ClusterRole" else (ROLES, namespace)
        found = self._store.get(storage, scope, role)
        return None if found is None else found.get("rules") or []


def _bindings(obj: Json) -> Iterator[tuple[Subject, Binding]]:
    namespace, name = key_of(obj)
    reference = obj.get("roleRef") or {}
    role_kind, role = reference.get("kind", ""), reference.get("name", "")
    for subject in obj.get("subjects") or ():
        kind, who = subject.get("kind", ""), subject.get("name", "")
        shown = f'{kind} "{who}"'
        if kind == "ServiceAccount":
            home = subject.get("namespace") or namespace
            if not home:
                continue
            kind, shown, who = "User", f'{kind} "{who}/{home}"', service_account_name(home, who)
        yield (kind, who), Binding(namespace, name, role_kind, role, shown)
