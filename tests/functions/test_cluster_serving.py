"""A tenant as onboarding makes it serves a real model, within its quota and rights, until it is suspended."""

from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from controlplane.adapters.kubernetes_revisions import KubernetesRevisions
from controlplane.adapters.kubernetes_tenants import KubernetesTenants
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.onboarding.model import ClusterStep
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec, RevisionState
from controlplane.serving.runtimes import CATALOG
from local import cluster_seed
from tests.local.kserve_controller.embedded_cluster import (
    BUCKET,
    EmbeddedCluster,
    running_cluster,
)
from tests.local.kserve_controller.samples import NAMESPACE
from tests.local.serving.trained_models import train
from tests.plans import OPENINGS
from tests.waiting import eventually

TENANT = NAMESPACE.removeprefix("tenant-")
NAME = "vision--digits--v1"
URI = f"s3://{BUCKET}/digits"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    model = train(tmp_path_factory.mktemp("models"))["digits"]
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.s3.upload_file(str(model.file), BUCKET, "digits/model.joblib")
        yield cluster


def api_of(access: cluster_seed.ClusterAccess) -> KubernetesApi:
    return KubernetesApi(
        ClusterAccess(access.server, access.certificate_authority, lambda _fresh: access.token)
    )


def test_a_tenant_serves_is_suspended_and_serves_again(cluster: EmbeddedCluster) -> None:
    accounts = cluster_seed.apply(cluster.kubeconfig)
    tenants = KubernetesTenants(api_of(accounts.onboarding), OPENINGS)
    revisions = KubernetesRevisions(api_of(accounts.serving), ("headrace-system", "headrace"))
    plan = TenantPlan(TENANT, Isolation.SHARED, Limits())
    for step in ClusterStep:
        tenants.apply(step, plan)

    def state() -> RevisionState:
        return revisions.observe_revision(TENANT, NAME).state

    def used() -> Any:
        quota = cluster.core.read_namespaced_resource_quota("headrace", NAMESPACE)
        return quota.status.used

    version = ServedVersion(model="digits", number=1, uri=URI, format="sklearn", files={})
    revisions.apply_revision(
        RevisionSpec(TENANT, "vision", "digits", "r-00000001", version, CATALOG["sklearn"])
    )
    eventually(lambda: state() is RevisionState.READY, f"a ready model; logs: {cluster.logs}", 60)
    assert used()["count/inferenceservices.serving.kserve.io"] == "1"
    assert used()["pods"] == "1"
    first = cluster.only_server_of(URI)

    tenants.stop_serving(TENANT)
    eventually(lambda: not cluster.servers_of(URI), "the model server to end", 30)
    eventually(lambda: used()["pods"] == "0", "the pod to go", 30)
    # What is stopped still holds its place among the tenant's InferenceServices.
    assert used()["count/inferenceservices.serving.kserve.io"] == "1"
    assert state() is not RevisionState.READY

    tenants.resume_serving(TENANT)
    eventually(lambda: state() is RevisionState.READY, "the model to be ready again", 60)
    assert cluster.only_server_of(URI) != first
