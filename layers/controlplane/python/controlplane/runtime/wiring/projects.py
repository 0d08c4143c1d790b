"""What projects work with."""

from functools import cache

from controlplane.projects.ports import ProjectRepository
from controlplane.runtime.wiring import tables


@cache
def project_repository() -> ProjectRepository:
    from controlplane.adapters.dynamodb_projects import DynamoDBProjects

    return DynamoDBProjects(tables.table())
