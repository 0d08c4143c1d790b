"""What the rules about versions need from the outside world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controlplane.registry.aliases import Aliases, AliasRecord
from controlplane.registry.gates import Champion
from controlplane.registry.lineage import LineageLink, OriginOfVersions
from controlplane.registry.model import (
    AliasesMoved,
    Model,
    ModelChanged,
    ModelVersion,
    RegistryEvent,
    RegistryPolicyChanged,
)
from controlplane.registry.policy import RegistryPolicy
from controlplane.requests import Page, PageRequest


@dataclass(frozen=True)
class VersionCase:
    """A version with what decides whether it may serve; `revoked_keys` are names of signing keys."""

    version: ModelVersion
    policy: RegistryPolicy
    aliases: Aliases
    revoked_keys: frozenset[str] = frozenset()

    @property
    def champion(self) -> Champion | None:
        number = self.aliases.champion
        return None if number is None else Champion(number, self.aliases.champion_metrics)


@dataclass(frozen=True)
class AliasCase:
    """A model's aliases with the versions that they are to name, those that are there, and the project's policy."""

    aliases: Aliases
    versions: Mapping[int, ModelVersion]
    policy: RegistryPolicy


class VersionRepository(Protocol):
    """Versions and models, as far as they can be changed."""

    def get(self, tenant_id: str, project: str, model: str) -> Model:
        """Raises NotFoundError."""
        ...

    def change(self, tenant_id: str, project: str, changed: Model, event: ModelChanged) -> None:
        """Store a model whose `version` is one more than that of what was read. Raises ConcurrentChangeError."""
        ...

    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ModelVersion:
        """Raises NotFoundError."""
        ...

    def get_case(self, tenant_id: str, project: str, model: str, number: int) -> VersionCase:
        """The version with what decides about it, in one read. Raises NotFoundError."""
        ...

    def change_version(
        self,
        tenant_id: str,
        project: str,
        known: ModelVersion,
        changed: ModelVersion,
        event: RegistryEvent,
    ) -> None:
        """Store a version over what was read, with the links by which lists find it, and as champion its metrics.

        Raises ConcurrentChangeError."""
        ...


class AliasRepository(Protocol):
    def get(self, tenant_id: str, project: str, model: str) -> Aliases:
        """Raises NotFoundError for a model that is not there."""
        ...

    def find(self, tenant_id: str, project: str, model: str) -> Aliases:
        """The same, without a look whether the model is there."""
        ...

    def get_case(
        self, tenant_id: str, project: str, model: str, numbers: Sequence[int]
    ) -> AliasCase:
        """The aliases and the versions that are to have some, in one read."""
        ...

    def save(
        self,
        tenant_id: str,
        project: str,
        known: Aliases,
        moved: Aliases,
        records: Sequence[AliasRecord],
        champion: ModelVersion | None,
        event: AliasesMoved | None,
    ) -> None:
        """Store aliases over what was read, their history, and the marks in the versions: all or nothing.

        `champion` is the version that becomes it, as it was read; `event` is None where none was moved. Raises
        NotFoundError when a version has gone, ConcurrentChangeError."""
        ...

    def history(
        self, tenant_id: str, project: str, model: str, alias: str, page: PageRequest
    ) -> Page[AliasRecord]:
        """Newest first."""
        ...


class RegistryPolicyRepository(Protocol):
    def get(self, tenant_id: str, project: str) -> RegistryPolicy:
        """The project's policy, or the one that holds without any. Raises NotFoundError for an unknown project."""
        ...

    def put(
        self, tenant_id: str, project: str, policy: RegistryPolicy, event: RegistryPolicyChanged
    ) -> None:
        """Store a policy whose `version` is one more than that of what was read. Raises ConcurrentChangeError."""
        ...


class LineageRepository(Protocol):
    def list(
        self, tenant_id: str, project: str, origin: OriginOfVersions, page: PageRequest
    ) -> Page[LineageLink]:
        """The versions made of it, by model and number."""
        ...
