"""What this server knows of a kind: a record of data, built in or made of a CustomResourceDefinition."""

from dataclasses import dataclass

from local.kubernetes_api.schemas import BUILT_IN, Schema

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions"


@dataclass(frozen=True)
class Column:
    """One column of ``kubectl get``: a JSON path, or the name of a cell function in printing.py."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class Resource:
    """One version of one kind."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    custom: bool = False
    columns: tuple[Column, ...] = ()
    schema: Schema = BUILT_IN
    singular_name: str = ""
    definition: str = ""  # name of the CustomResourceDefinition that brought it

    @property
    def storage(self) -> str:
        return f"{self.group}/{self.plural}"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        return self.singular_name or self.kind.lower()

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def counts_generations(self) -> bool:
        return self.custom or self.group in ("apps", "networking.k8s.io", "apiextensions.k8s.io")
