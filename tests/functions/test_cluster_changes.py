"""A tenant that is there changes: its limits, its nodes, and whether its models run."""

from dataclasses import replace

import pytest

from controlplane.adapters.kserve_manifests import inference_service
from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from controlplane.adapters.kubernetes_revisions import KubernetesRevisions
from controlplane.adapters.kubernetes_tenants import KubernetesTenants
from controlplane.limits import Isolation, Limits, TenantPlan
from tests.functions.cluster import accounts_of, tenants_of
from tests.functions.cluster_objects import everything, new_plan, onboard, revision
from tests.functions.samples import Json
from tests.local.kubernetes_api.running_server import MERGE, RunningServer

STOP = "serving.kserve.io/stop"
GATEWAY = ("headrace-system", "headrace")


@pytest.fixture
def tenants(server: RunningServer) -> KubernetesTenants:
    return tenants_of(server)


@pytest.fixture
def shared() -> TenantPlan:
    """A tenant of its own in each test."""
    return new_plan()


@pytest.fixture
def dedicated(shared: TenantPlan) -> TenantPlan:
    return replace(shared, isolation=Isolation.DEDICATED)


@pytest.fixture
def revisions(server: RunningServer) -> KubernetesRevisions:
    access = accounts_of(server.kubeconfig).serving
    api = KubernetesApi(
        ClusterAccess(access.server, access.certificate_authority, lambda _fresh: access.token)
    )
    return KubernetesRevisions(api, GATEWAY)


def model(server: RunningServer, tenant_id: str, number: int = 1) -> Json:
    found = server.call("GET", _model_path(tenant_id, number))
    assert found.code == 200, found.body
    body: Json = found.body
    return body


def is_stopped(server: RunningServer, tenant_id: str, number: int = 1) -> bool:
    return bool(model(server, tenant_id, number)["metadata"]["annotations"].get(STOP) == "true")


def _model_path(tenant_id: str, number: int) -> str:
    group = "/apis/serving.kserve.io/v1beta1"
    return f"{group}/namespaces/tenant-{tenant_id}/inferenceservices/vision--digits--v{number}"


def test_a_tenant_moves_to_nodes_of_its_own_and_back_with_its_models(
    server: RunningServer,
    tenants: KubernetesTenants,
    revisions: KubernetesRevisions,
    shared: TenantPlan,
    dedicated: TenantPlan,
) -> None:
    onboard(tenants, shared)
    made = set(tenants.enumerate(shared.tenant_id))
    revisions.apply_revision(revision(shared.tenant_id))
    label = {"headrace.dev/tenant": shared.tenant_id}

    tenants.apply_limits(dedicated)
    assert model(server, shared.tenant_id)["spec"]["predictor"]["nodeSelector"] == label
    revisions.apply_revision(revision(shared.tenant_id, 2))
    for number in (1, 2):
        predictor = model(server, shared.tenant_id, number)["spec"]["predictor"]
        assert predictor["nodeSelector"] == label
        assert predictor["tolerations"][0]["value"] == shared.tenant_id
    own = set(tenants.enumerate(shared.tenant_id)) - made
    assert {each for each in own if "InferenceService" not in each} == {
        f"NodePool//tenant-{shared.tenant_id}",
        f"ResourceFlavor//tenant-{shared.tenant_id}",
    }

    tenants.apply_limits(shared)
    for number in (1, 2):
        predictor = model(server, shared.tenant_id, number)["spec"]["predictor"]
        assert not {"nodeSelector", "tolerations"} & set(predictor)
    revisions.apply_revision(revision(shared.tenant_id, 2))
    assert "nodeSelector" not in model(server, shared.tenant_id, 2)["spec"]["predictor"]
    left = set(tenants.enumerate(shared.tenant_id)) - made
    assert {each.partition("/")[0] for each in left} == {"InferenceService"}


def test_other_limits_reach_quota_and_queue(
    server: RunningServer, tenants: KubernetesTenants, shared: TenantPlan
) -> None:
    onboard(tenants, shared)

    tenants.apply_limits(replace(shared, limits=Limits(gpus=9, deployments=7)))

    namespace = f"/api/v1/namespaces/tenant-{shared.tenant_id}"
    hard = server.call("GET", f"{namespace}/resourcequotas/headrace").body["spec"]["hard"]
    assert hard["requests.nvidia.com/gpu"] == "5"
    assert hard["count/inferenceservices.serving.kserve.io"] == "21"
    queue = f"/apis/kueue.x-k8s.io/v1beta2/clusterqueues/tenant-{shared.tenant_id}"
    groups = server.call("GET", queue).body["spec"]["resourceGroups"]
    quotas = {r["name"]: r["nominalQuota"] for g in groups for r in g["flavors"][0]["resources"]}
    assert quotas["nvidia.com/gpu"] == 4


def test_limits_of_a_tenant_that_is_not_there_make_nothing(
    server: RunningServer, tenants: KubernetesTenants, dedicated: TenantPlan
) -> None:
    before = everything(server)

    tenants.apply_limits(dedicated)
    tenants.stop_serving(dedicated.tenant_id)
    tenants.resume_serving(dedicated.tenant_id)

    assert everything(server) == before


def test_resumed_serving_starts_what_was_stopped_and_nothing_else(
    server: RunningServer,
    tenants: KubernetesTenants,
    revisions: KubernetesRevisions,
    shared: TenantPlan,
) -> None:
    tenant = shared.tenant_id
    onboard(tenants, shared)
    for number in (1, 2):
        revisions.apply_revision(revision(tenant, number))
    by_hand = {"metadata": {"annotations": {STOP: "true"}}}
    assert server.call("PATCH", _model_path(tenant, 2), by_hand, media=MERGE).code == 200

    tenants.stop_serving(tenant)
    tenants.stop_serving(tenant)
    assert [is_stopped(server, tenant, number) for number in (1, 2)] == [True, True]
    # A rollout that was under way brings another revision: it does not start either.
    revisions.apply_revision(revision(tenant, 3))
    assert is_stopped(server, tenant, 3)
    # Nor does one that is applied again.
    revisions.apply_revision(revision(tenant, 1))
    assert is_stopped(server, tenant, 1)
    # Other limits meanwhile do not start anything.
    tenants.apply_limits(replace(shared, limits=Limits(gpus=8)))
    revisions.apply_revision(revision(tenant, 1))
    assert is_stopped(server, tenant, 1)

    tenants.resume_serving(tenant)
    tenants.resume_serving(tenant)
    assert [is_stopped(server, tenant, number) for number in (1, 2, 3)] == [False, True, False]
    revisions.apply_revision(revision(tenant, 3))
    assert not is_stopped(server, tenant, 3)
    as_before = inference_service(revision(tenant, 3))["metadata"]["annotations"]
    assert model(server, tenant, 3)["metadata"]["annotations"] == as_before
