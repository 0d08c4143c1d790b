"""How lists and maps merge: the little that merging must know of a kind's schema.

A path here is the tuple of field names that leads to a value, without list positions. For built-in kinds the
rules come from the patch and list markers of the Kubernetes API types, for custom kinds from their
CustomResourceDefinition; a list without a rule is atomic: it is replaced as a whole and owned as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from local.kubernetes_api.errors import Json, bad_request

FieldPath = tuple[str, ...]

_KEY_DEFAULTS: Mapping[str, Any] = MappingProxyType({"protocol": "TCP"})


@dataclass(frozen=True)
class ListRule:
    """A list whose items have an identity: their `keys`, or, when there are none, their own value.

    `strategic_key` is the single key that a strategic merge patch uses where it differs.
    """

    keys: tuple[str, ...] = ()
    strategic_key: str = ""

    def identity(self, item: Any) -> Any:
        if not self.keys:
            return item
        if not isinstance(item, dict):
            raise bad_request(f"an item of a list with keys {self.keys} is not an object: {item!r}")
        return {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in self.keys}

    @property
    def patch_key(self) -> str:
        return self.strategic_key or (self.keys[0] if self.keys else "")


_NAMED = ListRule(("name",))
_CONDITIONS = ListRule(("type",))
_EVERY_KIND: Mapping[FieldPath, ListRule] = MappingProxyType(
    {
        ("metadata", "ownerReferences"): ListRule(("uid",)),
        ("metadata", "finalizers"): ListRule(),
    }
)
# Keyed by the end of a path: a container's ports are its ports wherever the pod template lies.
_BUILT_IN: Mapping[FieldPath, ListRule] = MappingProxyType(
    {
        ("containers",): _NAMED,
        ("initContainers",): _NAMED,
        ("ephemeralContainers",): _NAMED,
        ("volumes",): _NAMED,
        ("env",): _NAMED,
        ("imagePullSecrets",): _NAMED,
        ("secrets",): _NAMED,
        ("conditions",): _CONDITIONS,
        ("volumeMounts",): ListRule(("mountPath",)),
        ("volumeDevices",): ListRule(("devicePath",)),
        ("hostAliases",): ListRule(("ip",)),
        ("topologySpreadConstraints",): ListRule(
            ("topologyKey", "whenUnsatisfiable"), "topologyKey"
        ),
        ("containers", "ports"): ListRule(("containerPort", "protocol"), "containerPort"),
        ("initContainers", "ports"): ListRule(("containerPort", "protocol"), "containerPort"),
        ("spec", "ports"): ListRule(("port", "protocol"), "port"),
    }
)
_ATOMIC_MAPS = frozenset(
    {"selector", "nodeSelector", "labelSelector", "fieldRef", "resourceFieldRef", "secretKeyRef"}
    | {"configMapKeyRef", "targetRef", "scaleTargetRef", "roleRef", "podSelector"}
    | {"namespaceSelector", "scopeSelector"}
)


@dataclass(frozen=True)
class Schema:
    """The merge rules of one kind; `rules` are whole paths, a built-in kind knows well-known ends as well."""

    built_in: bool = False
    rules: Mapping[FieldPath, ListRule] = field(default_factory=dict)
    atomic: frozenset[FieldPath] = frozenset()

    def list_rule(self, path: FieldPath) -> ListRule | None:
        rule = _EVERY_KIND.get(path) or self.rules.get(path)
        if rule is None and self.built_in:
            rule = _BUILT_IN.get(path[-2:]) or _BUILT_IN.get(path[-1:])
        return rule

    def is_atomic_map(self, path: FieldPath) -> bool:
        if self.built_in and path:
            return path[-1] in _ATOMIC_MAPS
        return path in self.atomic


def schema_of_definition(open_api: Json) -> Schema:
    """The merge rules in a CustomResourceDefinition's ``openAPIV3Schema``."""
    rules: dict[FieldPath, ListRule] = {}
    atomic: set[FieldPath] = set()
    _collect(open_api, (), rules, atomic)
    return Schema(rules=MappingProxyType(rules), atomic=frozenset(atomic))


def _collect(
    node: Json, path: FieldPath, rules: dict[FieldPath, ListRule], atomic: set[FieldPath]
) -> None:
    list_type = node.get("x-kubernetes-list-type")
    if list_type == "map":
        rules[path] = ListRule(tuple(node.get("x-kubernetes-list-map-keys", ())))
    elif list_type == "set":
        rules[path] = ListRule()
    if node.get("x-kubernetes-map-type") == "atomic":
        atomic.add(path)
    for name, child in (node.get("properties") or {}).items():
        _collect(child, (*path, name), rules, atomic)
    if isinstance(node.get("items"), dict):
        _collect(node["items"], path, rules, atomic)


BUILT_IN = Schema(built_in=True)
CUSTOM = Schema()
GATEWAY = Schema(
    rules=MappingProxyType(
        {
            ("spec", "listeners"): _NAMED,
            ("status", "listeners"): _NAMED,
            ("status", "conditions"): _CONDITIONS,
            ("status", "listeners", "conditions"): _CONDITIONS,
            ("status", "parents", "conditions"): _CONDITIONS,
        }
    )
)
_FLAVORS: tuple[FieldPath, ...] = (
    ("spec", "resourceGroups", "flavors"),
    ("status", "flavorsReservation"),
    ("status", "flavorsUsage"),
)
KUEUE = Schema(
    rules=MappingProxyType(
        {
            **dict.fromkeys(_FLAVORS, _NAMED),
            **{(*flavors, "resources"): _NAMED for flavors in _FLAVORS},
            ("spec", "admissionChecksStrategy", "admissionChecks"): _NAMED,
            ("spec", "admissionChecksStrategy", "admissionChecks", "onFlavors"): ListRule(),
            ("status", "conditions"): _CONDITIONS,
        }
    ),
    atomic=frozenset({("spec", "namespaceSelector"), ("spec", "nodeLabels")}),
)
KARPENTER = Schema(
    rules=MappingProxyType(
        {
            ("spec", "disruption", "budgets", "reasons"): ListRule(),
            ("status", "conditions"): _CONDITIONS,
        }
    ),
    atomic=frozenset({("spec", "template", "metadata", "labels")}),
)
