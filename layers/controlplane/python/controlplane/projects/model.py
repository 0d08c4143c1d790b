"""Projects and what happens to them."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from controlplane.events import DomainEvent
from controlplane.identifiers import Name


class ProjectRequest(BaseModel):
    """What a caller sends to create a project."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Lower-case name, unique in the tenant", examples=["vision"])
    description: str = Field(default="", max_length=500)


class Project(BaseModel):
    """A project. `model_versions` counts the registered versions of all its models.

    `deployments` counts those that serve nothing as well, `signing_keys` those that are not revoked.
    `has_registry_policy` says whether its registry policy asks for anything.
    """

    model_config = ConfigDict(frozen=True)

    name: Name
    description: str = ""
    created_at: datetime
    created_by: str
    model_versions: int = 0
    deployments: int = 0
    signing_keys: int = 0
    revoked_keys: int = 0
    has_registry_policy: bool = False
    version: int = 1


class ProjectEvent(DomainEvent):
    capability: ClassVar[str] = "projects"
    project: Name

    @property
    def subject(self) -> str:
        return f"projects/{self.project}"


class ProjectCreated(ProjectEvent):
    created_by: str


class ProjectDeleted(ProjectEvent):
    deleted_by: str
