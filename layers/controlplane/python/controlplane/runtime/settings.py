"""Environment variables, read here and nowhere else.

Each group holds the few variables that one adapter or use case needs, so a function is deployed with exactly the
settings of what it uses.
"""

import os
from functools import cache
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of all groups: a field `table_name` is read from TABLE_NAME.

    A fault names the variable and not what was read: the environment holds the function's credentials.
    """

    model_config = ConfigDict(
        alias_generator=str.upper, frozen=True, extra="ignore", hide_input_in_errors=True
    )


class TableSettings(Settings):
    """`tenant_role_arn` is the role that API functions take on for a tenant; others work with their own."""

    table_name: str
    aws_region: str
    aws_endpoint_url_dynamodb: str | None = None
    aws_endpoint_url: str | None = None
    tenant_role_arn: str | None = None

    @property
    def endpoint_url(self) -> str | None:
        return self.aws_endpoint_url_dynamodb or self.aws_endpoint_url


class OwnCredentials(Settings):
    """Lambda's own: with which credentials, and where, a function asks STS for those of a tenant."""

    aws_region: str
    aws_access_key_id: str = Field(repr=False)
    aws_secret_access_key: str = Field(repr=False)
    aws_session_token: str = Field(repr=False)
    aws_endpoint_url_sts: str | None = None
    aws_endpoint_url: str | None = None

    @property
    def sts_url(self) -> str:
        suffix = "amazonaws.com.cn" if self.aws_region.startswith("cn-") else "amazonaws.com"
        regional = f"https://sts.{self.aws_region}.{suffix}"
        return self.aws_endpoint_url_sts or self.aws_endpoint_url or regional


class BucketSettings(Settings):
    models_bucket: str


class UploadSettings(BucketSettings):
    upload_role_arn: str


class CursorSettings(Settings):
    cursor_secret_arn: str


class UserPoolSettings(Settings):
    user_pool_id: str


class TokenSettings(UserPoolSettings):
    """What it takes to sign in the user of a key: its client, and the secret that its password comes from."""

    client_id: str
    machine_secret_arn: str


class BusSettings(Settings):
    event_bus_name: str


class FailedRecordsSettings(Settings):
    """Where batches of the stream lie that a consumer gave up on; each mapping's below a prefix of its own."""

    failed_records_bucket: str
    failed_records_prefix: str = "aws/lambda/"


class AuditQueueSettings(Settings):
    audit_queue_url: str


class AuditSettings(Settings):
    """The secret with the keys of the chains, and the bucket of their anchors."""

    audit_secret_arn: str
    audit_anchors_bucket: str


class DeadLetterSettings(Settings):
    dead_letters_url: str


class WebhookSecretSettings(Settings):
    """The secret with the keys that webhooks' secrets are derived from."""

    webhook_secret_arn: str


class DeliveriesSettings(Settings):
    deliveries_queue_url: str


class LoopbackSettings(Settings):
    """Whether a webhook may point at this very machine: in the embedded mode alone."""

    webhooks_allow_loopback: bool = False


class IngressSettings(Settings):
    ingress_url: str


class RegionSettings(Settings):
    aws_region: str


class MetricsSettings(Settings):
    """Where rollouts' figures come from. `metrics_gateway` names a file of adapters/queries; the secret is JSON.

    Without a source no figures are found, so that no judged step is ever passed.
    """

    metrics_source: Literal["None", "Gateway", "Prometheus", "ManagedPrometheus"] = "None"
    metrics_url: str = ""
    metrics_gateway: str = "envoy_gateway"
    metrics_secret_arn: str | None = None


class RolloutSettings(Settings):
    """Times in seconds."""

    retire_after_seconds: int = Field(default=300, ge=0)
    rollout_timeout_seconds: int = Field(default=1800, ge=1)


class GatewaySettings(Settings):
    """The Gateway that deployments' routes hang on."""

    gateway_name: str = "headrace"
    gateway_namespace: str = "headrace-system"


class ClusterSettings(GatewaySettings):
    """`cluster_name` names an EKS cluster; `cluster_secret_arn` a secret with server, CA and token of another.

    `kserve_namespace` is where KServe's own ConfigMap lies.
    """

    aws_region: str
    cluster_name: str | None = None
    cluster_secret_arn: str | None = None
    kserve_namespace: str = "kserve"


class OpeningsSettings(Settings):
    """What tenants' pods may reach and be reached from: ranges are CIDRs, parted by commas; then namespaces."""

    storage_cidrs: str = ""
    cluster_api_cidrs: str = ""
    gateway_pods_namespace: str = "envoy-gateway-system"
    pipelines_namespace: str = "kubeflow"
    monitoring_namespace: str = "monitoring"


class OnboardingSettings(Settings):
    """`storage_role_arn` is the role of all tenants' ServiceAccounts, on an EKS cluster; the pause is in seconds."""

    cluster_name: str | None = None
    storage_role_arn: str = ""
    onboarding_pause_seconds: int = Field(default=90, ge=0)


S = TypeVar("S", bound=Settings)


@cache
def load(group: type[S]) -> S:
    """The settings of one group, read once per container. Raises pydantic.ValidationError naming what is missing."""
    return group.model_validate(dict(os.environ))
