"""Every version of every kind that is served now: the built-in ones and those defined at run time."""

from collections.abc import Iterator

from local.kubernetes_api.built_in_kinds import BUILT_INS, REVIEWS
from local.kubernetes_api.errors import Json
from local.kubernetes_api.outlines import is_outline
from local.kubernetes_api.resources import Column, Resource
from local.kubernetes_api.schemas import schema_of_definition


class ResourceTable:
    """Every served version of every kind."""

    def __init__(self) -> None:
        self._resources = {(r.group, r.version, r.plural): r for r in (*BUILT_INS, *REVIEWS)}

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get((group, version, plural))

    def of_storage(self, storage: str) -> Resource | None:
        """Any served version of what is kept under `storage`."""
        return next((r for r in self._resources.values() if r.storage == storage), None)

    def kept(self) -> list[Resource]:
        """One version of every kind that is stored."""
        return list({r.storage: r for r in self if r not in REVIEWS}.values())

    def define(self, definition: Json) -> None:
        """Serve what a CustomResourceDefinition describes; a built-in kind of that name is taken over."""
        self.forget(definition["metadata"]["name"])
        if is_outline(definition):
            return
        for resource in _defined(definition):
            self._resources[resource.group, resource.version, resource.plural] = resource

    def forget(self, name: str) -> None:
        """Serve the kinds of that CustomResourceDefinition no longer."""
        for key, resource in list(self._resources.items()):
            if resource.definition == name:
                del self._resources[key]
        for resource in BUILT_INS:
            if resource.qualified == name:
                self._resources[resource.group, resource.version, resource.plural] = resource


def _defined(definition: Json) -> Iterator[Resource]:
    spec = definition["spec"]
    names = spec["names"]
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        open_api = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        yield Resource(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            spec.get("scope") == "Namespaced",
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
            # Only status: scaling a custom resource needs paths of its own, which nothing here asks for.
            ("status",) if "status" in (version.get("subresources") or {}) else (),
            True,
            tuple(_columns(version)),
            schema_of_definition(open_api),
            names.get("singular", ""),
            definition["metadata"]["name"],
        )


def _columns(version: Json) -> Iterator[Column]:
    for column in version.get("additionalPrinterColumns") or ():
        yield Column(
            column["name"],
            column["jsonPath"],
            column.get("type", "string"),
            column.get("priority", 0),
        )
