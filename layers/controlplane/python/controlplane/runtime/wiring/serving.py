"""What serving works with."""

from functools import cache

from controlplane.runtime.settings import ClusterSettings, GatewaySettings, load
from controlplane.runtime.wiring import aws, cluster, tables
from controlplane.serving.cluster_ports import (
    Mechanism,
    RevisionStore,
    RolloutCluster,
    RolloutCompiler,
)
from controlplane.serving.ports import (
    AliasDirectory,
    DeploymentRepository,
    LimitDirectory,
    ServingPolicyRepository,
    TaskTokens,
    TickWaits,
    VersionCatalog,
)


@cache
def version_catalog() -> VersionCatalog:
    from controlplane.adapters.dynamodb_models import DynamoDBModels, DynamoDBServedVersions

    return DynamoDBServedVersions(DynamoDBModels(tables.table()))


@cache
def deployment_repository() -> DeploymentRepository:
    from controlplane.adapters.dynamodb_deployments import DynamoDBDeployments

    return DynamoDBDeployments(tables.table())


@cache
def tick_waits() -> TickWaits:
    from controlplane.adapters.dynamodb_tick_waits import DynamoDBTickWaits

    return DynamoDBTickWaits(tables.table())


@cache
def task_tokens() -> TaskTokens:
    from controlplane.adapters.stepfunctions_tokens import StepFunctionsTokens

    return StepFunctionsTokens(aws.client("stepfunctions"))


@cache
def limit_directory() -> LimitDirectory:
    from controlplane.adapters.dynamodb_deployment_limits import DynamoDBLimits

    return DynamoDBLimits(tables.table())


@cache
def revision_cluster(mechanism: Mechanism = Mechanism.ROUTE) -> RevisionStore:
    """The revisions of deployments whose traffic is split in this way."""
    from controlplane.adapters.revision_stores import store_of

    return store_of(mechanism, cluster.kubernetes_api(), _gateway())


@cache
def rollout_cluster() -> RolloutCluster:
    from controlplane.adapters.kserve_survey import KServeSurvey
    from controlplane.adapters.kubernetes_rollouts import KubernetesRollouts
    from controlplane.adapters.rollout_observers import observers

    settings, api = load(ClusterSettings), cluster.kubernetes_api()
    survey = KServeSurvey(api, _gateway(), settings.kserve_namespace)
    return KubernetesRollouts(api, _gateway(), observers(_gateway()), survey)


@cache
def rollout_compiler() -> RolloutCompiler:
    """For plans: it needs neither a cluster nor its client."""
    from controlplane.adapters.rollout_compilers import PlannedRollouts

    return PlannedRollouts(_gateway())


def _gateway() -> tuple[str, str]:
    settings = load(GatewaySettings)
    return settings.gateway_namespace, settings.gateway_name


@cache
def serving_policies() -> ServingPolicyRepository:
    from controlplane.adapters.dynamodb_serving_policies import DynamoDBServingPolicies

    return DynamoDBServingPolicies(tables.table())


@cache
def alias_directory() -> AliasDirectory:
    from controlplane.adapters.dynamodb_aliases import DynamoDBAliasDirectory

    return DynamoDBAliasDirectory(tables.table())
