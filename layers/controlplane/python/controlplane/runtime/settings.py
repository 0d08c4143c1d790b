"""Environment variables, read here and nowhere else.

Each group holds the few variables that one adapter or use case needs, so a function is deployed with exactly the
settings of what it uses.
"""

import os
from functools import cache
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of all groups: a field `table_name` is read from TABLE_NAME.

    A fault names the variable and not what was read: the environment holds the function's credentials.
    """

    model_config = ConfigDict(
        alias_generator=str.upper, frozen=True, extra="ignore", hide_input_in_errors=True
    )


class TableSettings(Settings):
    table_name: str
    aws_region: str
    aws_endpoint_url_dynamodb: str | None = None
    aws_endpoint_url: str | None = None

    @property
    def endpoint_url(self) -> str | None:
        return self.aws_endpoint_url_dynamodb or self.aws_endpoint_url


class BucketSettings(Settings):
    models_bucket: str


class UploadSettings(BucketSettings):
    upload_role_arn: str


class CursorSettings(Settings):
    cursor_secret_arn: str


class BusSettings(Settings):
    event_bus_name: str


class RedriveSettings(BusSettings):
    failed_records_bucket: str


class IngressSettings(Settings):
    ingress_url: str


class RolloutSettings(Settings):
    """Times in seconds."""

    retire_after_seconds: int = Field(default=300, ge=0)
    rollout_timeout_seconds: int = Field(default=1800, ge=1)


class ClusterSettings(Settings):
    """`cluster_name` names an EKS cluster; `cluster_secret_arn` a secret with server, CA and token of another."""

    aws_region: str
    cluster_name: str | None = None
    cluster_secret_arn: str | None = None
    gateway_name: str = "headrace"
    gateway_namespace: str = "headrace-system"


S = TypeVar("S", bound=Settings)


@cache
def load(group: type[S]) -> S:
    """The settings of one group, read once per container. Raises pydantic.ValidationError naming what is missing."""
    return group.model_validate(dict(os.environ))
