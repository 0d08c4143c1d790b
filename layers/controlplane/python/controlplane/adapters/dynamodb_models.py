"""Models and their versions: MODEL#<model> and VERSION#<model>#<number> in the project's partition."""

from controlplane.adapters.dynamodb_items import UNCHANGED, VERSION, tombstone
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_quotas import quotas_key, reservation_writes
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
)
from controlplane.adapters.dynamodb_tenants import tenant_key
from controlplane.errors import (
    ConcurrentChangeError,
    InUseError,
    NotFoundError,
    UploadRejectedError,
)
from controlplane.limits import Reservation
from controlplane.registry.model import Model, ModelVersion, ModelVersionDeleted
from controlplane.registry.ports import ProjectAllowance
from controlplane.requests import Page, PageRequest
from controlplane.serving.model import ServedVersion
from controlplane.tenancy.model import Tenant, TenantStatus


def model_key(tenant_id: str, project: str, model: str) -> Key:
    return Key(project_partition(tenant_id, project), f"MODEL#{model}")


def version_key(tenant_id: str, project: str, model: str, number: int) -> Key:
    return Key(project_partition(tenant_id, project), f"VERSION#{model}#{number:08d}")


def model_of(item: Item) -> Model:
    return Model.model_validate(item)


class DynamoDBProjectDirectory:
    """A ProjectDirectory: the tenant, the project and the quotas in one read."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find_allowance(self, tenant_id: str, project: str) -> ProjectAllowance | None:
        tenant, wanted = tenant_key(tenant_id), project_key(tenant_id, project)
        quotas = quotas_key(tenant_id)
        found = self._table.get_many([tenant, wanted, quotas])
        if tenant not in found or is_tombstone(found.get(wanted)):
            return None
        owner, used = Tenant.model_validate(found[tenant]), found.get(quotas, {})
        if owner.status is not TenantStatus.ACTIVE:
            raise UploadRejectedError(
                "TenantNotActive",
                f"tenant {tenant_id} is {owner.status.value}",
                remedy="Ask the platform's administrators to activate it, then upload again.",
            )
        return ProjectAllowance(owner.limits, int(used.get("stored_bytes", 0)))


class DynamoDBModels:
    """A ModelRepository."""

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
        return _version_of(item)

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
        return model_of(of_model), _version_of(of_version)

    def list_versions(
        self, tenant_id: str, project: str, model: str, page: PageRequest
    ) -> Page[ModelVersion]:
        pk = project_partition(tenant_id, project)
        found = self._table.query(pk, f"VERSION#{model}#", page, newest=True)
        return Page([_version_of(item) for item in found.items], found.next_after)

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
            condition=f"{UNCHANGED} AND attribute_not_exists(served_by)",
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
                [gone, one_less, of_project, *reservation_writes(tenant_id, freed)]
            )
        except TransactionCancelledError as cancelled:
            if self.get_version(tenant_id, project, version.model, version.number).served_by:
                raise InUseError("a deployment has just taken this version") from cancelled
            raise ConcurrentChangeError("the version has changed meanwhile") from cancelled


class DynamoDBServedVersions:
    """Serving's VersionCatalog: the registered versions, as far as serving needs them."""

    def __init__(self, models: DynamoDBModels) -> None:
        self._models = models

    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ServedVersion:
        version = self._models.get_version(tenant_id, project, model, number)
        return ServedVersion(
            model=model,
            number=number,
            uri=version.uri,
            format=version.format,
            files={file.path: file.sha256 for file in version.files},
        )


def _version_of(item: Item) -> ModelVersion:
    served_by = tuple(sorted(item.get("served_by", ())))
    return ModelVersion.model_validate(item | {"served_by": served_by})
