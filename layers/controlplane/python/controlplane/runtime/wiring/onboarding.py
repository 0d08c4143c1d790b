"""What onboarding works with."""

from collections.abc import Mapping
from functools import cache

from controlplane.onboarding import plan
from controlplane.onboarding.model import ClusterStep
from controlplane.onboarding.ports import ServingSwitch, TenantPart, TenantRepository
from controlplane.runtime.settings import BucketSettings, OnboardingSettings, load
from controlplane.runtime.wiring import aws, tables


@cache
def tenant_records() -> TenantRepository:
    from controlplane.adapters.dynamodb_tenant_records import DynamoDBTenantRecords

    return DynamoDBTenantRecords(tables.table())


@cache
def cluster_parts() -> Mapping[str, TenantPart]:
    from controlplane.adapters.onboarding_parts import ClusterPart
    from controlplane.runtime.wiring.cluster import tenant_cluster

    return {step: ClusterPart(step, tenant_cluster()) for step in ClusterStep}


@cache
def cloud_parts() -> Mapping[str, TenantPart]:
    from controlplane.adapters.onboarding_parts import PeoplePart, SubscriptionPart
    from controlplane.adapters.scheduler_groups import TenantScheduleGroup
    from controlplane.runtime.wiring.people import tenant_people
    from controlplane.runtime.wiring.tiers import tenant_subscriptions

    return {
        plan.SUBSCRIPTION: SubscriptionPart(tenant_subscriptions()),
        plan.STORAGE_ACCESS: _storage_access(),
        plan.SCHEDULES: TenantScheduleGroup(aws.client("scheduler")),
        plan.PEOPLE: PeoplePart(tenant_people()),
    }


def _storage_access() -> TenantPart:
    from controlplane.adapters.eks_storage_access import NoStorageAccess, TenantStorageAccess

    settings = load(OnboardingSettings)
    if not settings.cluster_name:
        return NoStorageAccess()
    return TenantStorageAccess(aws.client("eks"), settings.cluster_name, settings.storage_role_arn)


@cache
def data_parts() -> Mapping[str, TenantPart]:
    from controlplane.adapters.dynamodb_tenant_data import (
        TenantDeployments,
        TenantExport,
        TenantItems,
    )
    from controlplane.adapters.s3_tenant_objects import TenantObjects
    from controlplane.runtime.wiring.serving import deployment_repository

    bucket, s3 = load(BucketSettings).models_bucket, aws.client("s3")
    return {
        plan.DEPLOYMENTS: TenantDeployments(tables.table(), deployment_repository()),
        plan.EXPORT: TenantExport(tables.table(), s3, bucket),
        plan.OBJECTS: TenantObjects(s3, bucket),
        plan.RECORDS: TenantItems(tables.table()),
    }


def serving_switch() -> ServingSwitch:
    from controlplane.runtime.wiring.cluster import tenant_cluster

    return tenant_cluster()
