"""Models and their versions: MODEL#<model> and VERSION#<model>#<number> in the project's partition."""

from controlplane.adapters.dynamodb_items import UNCHANGED, VERSION, tombstone
from controlplane.adapters.dynamodb_projects import project_key
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
from controlplane.errors import ConcurrentChangeError, InUseError, NotFoundError
from controlplane.registry.model import Model, ModelVersion, ModelVersionDeleted
from controlplane.registry.ports import ProjectAllowance
from controlplane.requests import Page, PageRequest
from controlplane.serving.model import ServedVersion
from controlplane.tenancy.model import Tenant


def model_key(tenant_id: str, project: str, model: str) -> Key:
    return Key(project_partition(tenant_id, project), f"MODEL#{model}")


def version_key(tenant_id: str, project: str, model: str, number: int) -> Key:
    return Key(project_partition(tenant_id, project), f"VERSION#{model}#{number:08d}")


def model_of(item: Item) -> Model:
    return Model.model_validate(item)


class DynamoDBProjectDirectory:
    """A ProjectDirectory: the tenant and the project in one read."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find_allowance(self, tenant_id: str, project: str) -> ProjectAllowance | None:
        tenant, wanted = tenant_key(tenant_id), project_key(tenant_id, project)
        found = self._table.get_many([tenant, wanted])
        if tenant not in found or is_tombstone(found.get(wanted)):
            return None
        limits = Tenant.model_validate(found[tenant]).limits
        return ProjectAllowance(limits.max_model_bytes, limits.max_upload_files)


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

    def list_versions(
        self, tenant_id: str, project: str, model: str, page: PageRequest
    ) -> Page[ModelVersion]:
        pk = project_partition(tenant_id, project)
        found = self._table.query(pk, f"VERSION#{model}#", page, newest=True)
        return Page([_version_of(item) for item in found.items], found.next_after)

    def remove_version(
        self, tenant_id: str, project: str, version: ModelVersion, event: ModelVersionDeleted
    ) -> None:
        key = version_key(tenant_id, project, version.model, version.number)
        one_less = "ADD versions :minus, #version :one"
        names, values = VERSION, {":minus": -1, ":one": 1}
        try:
            self._table.transact(
                [
                    Write(
                        key,
                        item=tombstone(key, event, version.version),
                        condition=f"{UNCHANGED} AND attribute_not_exists(served_by)",
                        names=VERSION,
                        values={":known": version.version},
                    ),
                    Write(
                        model_key(tenant_id, project, version.model),
                        kind="update",
                        update=one_less,
                        names=names,
                        values=values,
                    ),
                    Write(
                        project_key(tenant_id, project),
                        kind="update",
                        update="ADD model_versions :minus, #version :one",
                        names=names,
                        values=values,
                    ),
                ]
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
