"""A tenant's place in the cluster, made and removed by the account that does so, on the embedded API server."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from controlplane.adapters.kubernetes_tenants import KubernetesTenants
from controlplane.adapters.tenant_objects import object_path
from controlplane.errors import ClusterRefusedError, ClusterUnavailableError
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.onboarding.model import ClusterStep
from tests.functions.cluster import accounts_of, tenants_of
from tests.functions.cluster_objects import everything, new_plan, offboard, onboard
from tests.local.kubernetes_api.running_server import MERGE, RunningServer
from tests.plans import OPENINGS, objects_of
from tests.ports import free_port


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


@pytest.mark.parametrize("isolation", Isolation)
def test_what_is_made_is_enumerated_and_goes_without_a_trace(
    server: RunningServer, tenants: KubernetesTenants, shared: TenantPlan, isolation: Isolation
) -> None:
    plan = replace(shared, isolation=isolation)
    before = everything(server)

    onboard(tenants, plan)
    made = everything(server) - before
    # Every namespace gets this account by itself, and loses it with itself.
    by_itself = {each for each in made if each.endswith("/default") and "ServiceAccount" in each}
    assert set(tenants.enumerate(plan.tenant_id)) == made - by_itself
    assert len(made - by_itself) == len(objects_of(plan))

    offboard(tenants, plan)
    assert everything(server) == before
    assert tenants.enumerate(plan.tenant_id) == []


def test_repeating_any_step_changes_nothing(
    server: RunningServer, tenants: KubernetesTenants, dedicated: TenantPlan
) -> None:
    def versions() -> dict[str, str]:
        found = {}
        for manifest in objects_of(dedicated):
            path = f"/{object_path(manifest)}"
            answer = server.call("GET", path)
            if answer.code == 200:
                found[path] = answer.body["metadata"]["resourceVersion"]
        return found

    onboard(tenants, dedicated)
    first = versions()
    onboard(tenants, dedicated)

    assert versions() == first
    assert len(first) > 25
    offboard(tenants, dedicated)
    offboard(tenants, dedicated)


@pytest.mark.parametrize("reached", range(len(ClusterStep) + 1))
def test_compensation_from_any_step_leaves_nothing(
    server: RunningServer, tenants: KubernetesTenants, dedicated: TenantPlan, reached: int
) -> None:
    before = everything(server)
    for step in list(ClusterStep)[:reached]:
        tenants.apply(step, dedicated)

    offboard(tenants, dedicated)

    assert everything(server) == before


def test_removal_takes_what_an_earlier_plan_has_made(
    server: RunningServer, tenants: KubernetesTenants, shared: TenantPlan, dedicated: TenantPlan
) -> None:
    before = everything(server)
    onboard(tenants, dedicated)

    offboard(tenants, shared)

    assert everything(server) == before


def test_removal_leaves_what_bears_the_name_and_is_not_ours(
    server: RunningServer, tenants: KubernetesTenants, shared: TenantPlan
) -> None:
    name = f"tenant-{shared.tenant_id}"
    created = server.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert created.code == 201

    offboard(tenants, shared)

    assert server.call("GET", f"/api/v1/namespaces/{name}").code == 200


def test_a_namespace_that_takes_its_time_is_not_gone(
    server: RunningServer, tenants: KubernetesTenants, shared: TenantPlan
) -> None:
    """Something in it holds it, as a controller's finalizer does."""
    onboard(tenants, shared)
    path = f"/api/v1/namespaces/tenant-{shared.tenant_id}/configmaps"
    held = {"metadata": {"name": "held", "finalizers": ["example.com/slow"]}}
    assert server.call("POST", path, held).code == 201

    assert not tenants.remove(ClusterStep.NAMESPACES, shared)
    assert not tenants.remove(ClusterStep.NAMESPACES, shared)
    # Nor is a tenant brought to other limits while it goes.
    tenants.apply_limits(replace(shared, limits=Limits(gpus=8)))

    freed = server.call("PATCH", f"{path}/held", {"metadata": {"finalizers": None}}, media=MERGE)
    assert freed.code == 200
    assert tenants.remove(ClusterStep.NAMESPACES, shared)


def test_a_cluster_without_kueue_refuses_the_step_and_has_nothing_to_remove(
    server: RunningServer, shared: TenantPlan
) -> None:
    """Played by a path that the API server does not know."""
    access = accounts_of(server.kubeconfig).onboarding
    api = _WithoutKueue(
        ClusterAccess(access.server, access.certificate_authority, lambda _fresh: access.token)
    )
    bare = KubernetesTenants(api, OPENINGS)
    bare.apply(ClusterStep.NAMESPACES, shared)

    with pytest.raises(ClusterRefusedError, match="404"):
        bare.apply(ClusterStep.QUEUES, shared)

    offboard(bare, shared)


@pytest.mark.parametrize(
    "call",
    [
        lambda tenants, plan: tenants.apply(ClusterStep.NAMESPACES, plan),
        lambda tenants, plan: tenants.remove(ClusterStep.NAMESPACES, plan),
        lambda tenants, plan: tenants.apply_limits(plan),
        lambda tenants, plan: tenants.stop_serving(plan.tenant_id),
        lambda tenants, plan: tenants.resume_serving(plan.tenant_id),
        lambda tenants, plan: tenants.enumerate(plan.tenant_id),
    ],
)
def test_a_cluster_that_does_not_answer_is_unavailable(
    call: Callable[[KubernetesTenants, TenantPlan], Any],
    server: RunningServer,
    shared: TenantPlan,
) -> None:
    access = accounts_of(server.kubeconfig).onboarding
    nobody = f"https://127.0.0.1:{free_port()}"
    api = KubernetesApi(
        ClusterAccess(nobody, access.certificate_authority, lambda _fresh: access.token)
    )

    with pytest.raises(ClusterUnavailableError):
        call(KubernetesTenants(api, OPENINGS), shared)


class _WithoutKueue(KubernetesApi):
    def _request(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        return super()._request(
            method, path.replace("kueue.x-k8s.io/v1beta2", "kueue.x-k8s.io/v9"), **more
        )
