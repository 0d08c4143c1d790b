"""What a project has its deployments begin with, and whether a registered version is rolled out by itself."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from controlplane.serving.settings import DeploymentSettings


class ServingRules(BaseModel):
    """`settings` are those of a deployment that a model's first version makes; later changes of it touch none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auto_deploy: bool = Field(
        default=True,
        description="A registered version is rolled out to the deployment of its model's name, which the first makes",
    )
    settings: DeploymentSettings = DeploymentSettings()


class ServingPolicy(ServingRules):
    """The rules as they are stored; `version` is 0 for a project that has never set any."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 0

    @property
    def rules(self) -> ServingRules:
        return ServingRules(auto_deploy=self.auto_deploy, settings=self.settings)

    def replaced_by(self, rules: ServingRules) -> Self:
        changes = {"auto_deploy": rules.auto_deploy, "settings": rules.settings}
        return self.model_copy(update=changes | {"version": self.version + 1})
