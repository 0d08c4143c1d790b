"""Models and their versions: MODEL#<model> and VERSION#<model>#<number> in the project's partition."""

from collections.abc import Sequence

from controlplane.adapters.dynamodb_items import (
    PRESENT,
    UNCHANGED,
    VERSION,
    as_item,
    attributes_of,
    put_over,
    tombstone,
)
from controlplane.adapters.dynamodb_lineage import link_writes, unlink_writes
from controlplane.adapters.dynamodb_project_keys import registry_policy_key, revoked_keys_key
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_quotas import reservation_writes
from controlplane.adapters.dynamodb_signing_keys import revoked_names
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
)
from controlplane.errors import ConcurrentChangeError, InUseError, NotFoundError
from controlplane.events import DomainEvent
from controlplane.limits import Reservation
from controlplane.reasons import Reason
from controlplane.registry.aliases import CHAMPION, Aliases
from controlplane.registry.gates import evaluate, obstacles
from controlplane.registry.governance_ports import VersionCase
from controlplane.registry.lineage import origins_of
from controlplane.registry.model import (
    Model,
    ModelChanged,
    ModelVersion,
    ModelVersionDeleted,
    RegistryEvent,
)
from controlplane.registry.policy import RegistryPolicy
from controlplane.requests import Page, PageRequest
from controlplane.serving.model import ObjectPin, ServedVersion

# Sets of names in a version's item that only deployments, and only aliases, write.
MARKS = ("served_by", "aliases")


def model_key(tenant_id: str, project: str, model: str) -> Key:
    return Key(project_partition(tenant_id, project), f"MODEL#{model}")


def version_key(tenant_id: str, project: str, model: str, number: int) -> Key:
    return Key(project_partition(tenant_id, project), f"VERSION#{model}#{number:08d}")


def aliases_key(tenant_id: str, project: str, model: str) -> Key:
    return Key(project_partition(tenant_id, project), f"ALIASES#{model}")


def model_of(item: Item) -> Model:
    return Model.model_validate(item)


def version_of(item: Item) -> ModelVersion:
    marks = {name: tuple(sorted(item.get(name, ()))) for name in MARKS}
    return ModelVersion.model_validate(item | marks)


def policy_of(item: Item | None) -> RegistryPolicy:
    """The policy that holds without any where the project has set none."""
    return RegistryPolicy() if is_tombstone(item) else RegistryPolicy.model_validate(item)


def version_item(key: Key, version: ModelVersion, event: DomainEvent) -> Item:
    """The item of a version, its marks as sets; DynamoDB knows no empty ones."""
    item = as_item(key, version, event)
    for name in MARKS:
        marks = set(item.pop(name))
        if marks:
            item[name] = marks
    return item


class DynamoDBModels:
    """A ModelRepository and a VersionRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str, model: str) -> Model:
        found = self.find(tenant_id, project, model)
        if found is None or not found.versions:
            raise NotFoundError(f"there is no model {model}")
        return found

    def find(self, tenant_id: str, project: str, model: str) -> Model | None:
        item = self._table.get(model_key(tenant_id, project, model))
        return model_of(item) if item else None

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[Model]:
        found = self._table.query(project_partition(tenant_id, project), "MODEL#", page)
        models = [model_of(item) for item in found.items]
        return Page([model for model in models if model.versions], found.next_after)

    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ModelVersion:
        item = self._table.get(version_key(tenant_id, project, model, number))
        if item is None or is_tombstone(item):
            raise NotFoundError(f"there is no version {number} of model {model}")
        return version_of(item)

    def get_with_version(
        self, tenant_id: str, project: str, model: str, number: int
    ) -> tuple[Model, ModelVersion]:
        keys = (
            model_key(tenant_id, project, model),
            version_key(tenant_id, project, model, number),
        )
        found = self._table.get_many(keys)
        of_model, of_version = (found.get(key) for key in keys)
        if of_model is None or of_version is None or is_tombstone(of_version):
            raise NotFoundError(f"there is no version {number} of model {model}")
        return model_of(of_model), version_of(of_version)

    def list_versions(
        self, tenant_id: str, project: str, model: str, page: PageRequest
    ) -> Page[ModelVersion]:
        pk = project_partition(tenant_id, project)
        found = self._table.query(pk, f"VERSION#{model}#", page, newest=True)
        return Page([version_of(item) for item in found.items], found.next_after)

    def remove_version(
        self,
        tenant_id: str,
        project: str,
        model: Model,
        version: ModelVersion,
        event: ModelVersionDeleted,
    ) -> None:
        key = version_key(tenant_id, project, version.model, version.number)
        gone = Write(
            key,
            item=tombstone(key, event, version.version),
            condition=f"{UNCHANGED} AND attribute_not_exists(served_by) AND attribute_not_exists(aliases)",
            names=VERSION,
            values={":known": version.version},
        )
        # The model as it was read: whether this was its last version decides what room comes back.
        one_less = Write(
            model_key(tenant_id, project, version.model),
            kind="update",
            update="ADD versions :minus, #version :one",
            condition="versions = :held",
            names=VERSION,
            values={":minus": -1, ":one": 1, ":held": model.versions},
        )
        of_project = Write(
            project_key(tenant_id, project),
            kind="update",
            update="ADD model_versions :minus, #version :one",
            names=VERSION,
            values={":minus": -1, ":one": 1},
        )
        freed = [
            Reservation("stored_bytes", -version.size, 0),
            Reservation("models", -1 if model.versions == 1 else 0, 0),
        ]
        try:
            self._table.transact(
                [
                    gone,
                    one_less,
                    of_project,
                    *unlink_writes(tenant_id, project, version),
                    *reservation_writes(tenant_id, freed),
                ]
            )
        except TransactionCancelledError as cancelled:
            now_is = self.get_version(tenant_id, project, version.model, version.number)
            if now_is.served_by or now_is.aliases:
                raise InUseError(
                    "a deployment or an alias has just taken this version"
                ) from cancelled
            raise ConcurrentChangeError("the version has changed meanwhile") from cancelled

    def change(self, tenant_id: str, project: str, changed: Model, event: ModelChanged) -> None:
        key = model_key(tenant_id, project, changed.name)
        try:
            self._table.put(put_over(key, as_item(key, changed, event), changed.version - 1))
        except ConditionFailedError as meanwhile:
            raise ConcurrentChangeError("the model has changed meanwhile") from meanwhile

    def get_case(self, tenant_id: str, project: str, model: str, number: int) -> VersionCase:
        version = version_key(tenant_id, project, model, number)
        policy = registry_policy_key(tenant_id, project)
        aliases = aliases_key(tenant_id, project, model)
        revoked = revoked_keys_key(tenant_id, project)
        found = self._table.get_many([version, policy, aliases, revoked])
        if is_tombstone(found.get(version)):
            raise NotFoundError(f"there is no version {number} of model {model}")
        named = found.get(aliases)
        return VersionCase(
            version_of(found[version]),
            policy_of(found.get(policy)),
            Aliases.model_validate(named) if named else Aliases(model=model),
            revoked_names(found.get(revoked)),
        )

    def change_version(
        self,
        tenant_id: str,
        project: str,
        known: ModelVersion,
        changed: ModelVersion,
        event: RegistryEvent,
    ) -> None:
        key = version_key(tenant_id, project, known.model, known.number)
        write = put_over(key, version_item(key, changed, event), known.version)
        also = _follow_ups(tenant_id, project, known, changed)
        try:
            if also:
                self._table.transact([write, *also])
            else:
                self._table.put(write)
        except (ConditionFailedError, TransactionCancelledError) as meanwhile:
            raise ConcurrentChangeError(
                f"version {known.number} has changed meanwhile", remedy="Try again."
            ) from meanwhile


class DynamoDBServedVersions:
    """Serving's VersionCatalog: the registered versions, as far as serving needs them."""

    def __init__(self, models: DynamoDBModels) -> None:
        self._models = models

    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ServedVersion:
        return _served(self._models.get_version(tenant_id, project, model, number))

    def get_candidate(
        self, tenant_id: str, project: str, model: str, number: int
    ) -> tuple[ServedVersion, Sequence[Reason]]:
        case = self._models.get_case(tenant_id, project, model, number)
        found = evaluate(case.policy, case.version, case.champion, case.revoked_keys)
        return _served(case.version), obstacles(found)


def _served(version: ModelVersion) -> ServedVersion:
    return ServedVersion(
        model=version.model,
        number=version.number,
        uri=version.uri,
        format=version.format,
        files={file.path: file.sha256 for file in version.files},
        pins={
            file.path: ObjectPin(size=file.size, version_id=file.version_id)
            for file in version.files
        },
    )


def _follow_ups(
    tenant_id: str, project: str, known: ModelVersion, changed: ModelVersion
) -> list[Write]:
    """What else holds what has changed about a version."""
    writes: list[Write] = []
    if origins_of(known) != origins_of(changed):
        writes += link_writes(tenant_id, project, changed)
    if CHAMPION in known.aliases and changed.metrics.keys() != known.metrics.keys():
        writes.append(_champion_write(tenant_id, project, changed))
    return writes


def _champion_write(tenant_id: str, project: str, champion: ModelVersion) -> Write:
    """The metrics that others are compared with. Ceasing to be the champion changes a version: it was read as one."""
    copied = Aliases(model=champion.model, champion_metrics=champion.metrics)
    return Write(
        aliases_key(tenant_id, project, champion.model),
        kind="update",
        update="SET champion_metrics = :metrics ADD #version :one",
        condition=PRESENT,
        names=VERSION,
        values={":metrics": attributes_of(copied)["champion_metrics"], ":one": 1},
    )
