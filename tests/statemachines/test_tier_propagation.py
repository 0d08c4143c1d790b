"""A tier's change reaches its tenants' items and the cluster, past the one that fails, and again after a death."""

from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from controlplane.adapters.kubernetes_tenants import KubernetesTenants
from controlplane.adapters.tenant_network import Openings
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.onboarding.model import ClusterStep
from local import cluster_seed
from tests.stack.caller import Caller, Json
from tests.stack.running import RunningStack
from tests.waiting import eventually

QUOTAS = "/api/v1/namespaces/{namespace}/resourcequotas"
MINUTES = 120.0


@dataclass(frozen=True)
class Tier:
    """A tier with tenants of its own, made for the test."""

    stack: RunningStack
    name: str

    @cached_property
    def platform(self) -> Caller:
        return self.stack.caller(None, "platform-admin")

    @cached_property
    def cluster(self) -> KubernetesTenants:
        access = cluster_seed.apply(self.stack.settings.kubeconfig).onboarding
        return KubernetesTenants(
            KubernetesApi(
                ClusterAccess(access.server, access.certificate_authority, lambda _: access.token)
            ),
            Openings(storage=("52.216.0.0/15",)),
        )

    def call(self, method: str, path: str, body: Any = None, tenant: str = "") -> Json:
        headers = {"X-Tenant-Id": tenant} if tenant else {}
        answer = self.platform.call(method, path, body, headers)
        assert answer.status < HTTPStatus.BAD_REQUEST, answer
        return answer.body

    def create(self) -> None:
        self.call("POST", "/tiers", {"name": self.name, "level": 20})

    def add_tenant(self, tenant: str, *steps: ClusterStep) -> None:
        """A tenant with what these steps make in the cluster, subscribed to the tier."""
        attributes = {"tenant_id": tenant, "status": "Active", "version": 1}
        self._put({"pk": f"TENANT#{tenant}", "sk": "TENANT"} | attributes)
        self._put({"pk": "PLATFORM", "sk": f"TENANT#{tenant}"} | attributes)
        self.prepare(tenant, *steps)
        self.call("PUT", "/subscriptions/tenant", {"tier": self.name}, tenant)

    def prepare(self, tenant: str, *steps: ClusterStep) -> None:
        for step in steps:
            self.cluster.apply(step, TenantPlan(tenant, Isolation.SHARED, Limits()))

    def subscription(self, tenant: str) -> Json:
        listed = self.call("GET", "/subscriptions", tenant=tenant)["items"]
        own: Json = next(entry for entry in listed if entry["subscriber"] == "tenant")
        return own

    def settled(self, tenant: str) -> Json:
        def look() -> Json | None:
            found = self.subscription(tenant)
            return None if found["cluster"] == "Pending" else found

        return eventually(look, f"the subscription of {tenant} to be applied", MINUTES)

    def change(self, pods: int) -> int:
        changed = self.call("PATCH", f"/tiers/{self.name}", {"limits": {"pods": pods}})
        return int(changed["propagation"]["generation"])

    def retry(self) -> int:
        asked = self.call("POST", f"/tiers/{self.name}/propagation")
        return int(asked["propagation"]["generation"])

    def ended(self, generation: int) -> Json:
        def look() -> Json | None:
            found: Json = self.call("GET", f"/tiers/{self.name}")["propagation"]
            is_over = found["generation"] == generation and found["ended_at"]
            return found if is_over else None

        return eventually(look, f"generation {generation} of tier {self.name} to end", MINUTES)

    def pods(self, tenant: str) -> str:
        """What the cluster lets the tenant's models have."""
        found = self.stack.cluster.find(QUOTAS, f"tenant-{tenant}", "headrace")
        assert found is not None
        return str(found["spec"]["hard"]["pods"])

    def _put(self, item: Json) -> None:
        write = TypeSerializer()
        self.stack.aws("dynamodb").put_item(
            TableName=self.stack.described["table_name"],
            Item={name: write.serialize(value) for name, value in item.items()},
        )


@pytest.fixture
def tier(stack: RunningStack) -> Tier:
    made = Tier(stack, stack.name("tier"))
    made.create()
    return made


def test_a_change_reaches_every_tenant_but_the_one_that_fails(
    tier: Tier, stack: RunningStack
) -> None:
    """The tenant that fails has namespaces in which nobody was given any rights."""
    good = [stack.name("good") for _ in range(3)]
    bad = stack.name("bad")
    for tenant in good:
        tier.add_tenant(tenant, *ClusterStep)
    tier.add_tenant(bad, ClusterStep.NAMESPACES)
    assert {tier.settled(tenant)["cluster"] for tenant in good} == {"Applied"}
    refused = tier.settled(bad)
    assert (refused["cluster"], refused["reason"]["code"]) == ("Failed", "ClusterRefusedError")

    ended = tier.ended(tier.change(10))

    assert (ended["state"], ended["done"], ended["failed"]) == ("Failed", 3, 1), ended
    [failure] = ended["failures"]
    assert (failure["tenant"], failure["reason"]["code"]) == (bad, "ClusterRefusedError")
    assert [tier.pods(tenant) for tenant in good] == ["5", "5", "5"]
    for tenant in (*good, bad):
        limits = tier.call("GET", "/limits", tenant=tenant)
        assert limits["limits"]["pods"]["value"] == 10

    tier.prepare(bad, *ClusterStep)
    again = tier.ended(tier.retry())
    assert (again["state"], again["done"], again["failures"]) == ("Succeeded", 4, []), again
    assert tier.pods(bad) == "5"
    assert tier.subscription(bad)["cluster"] == "Applied"


def test_the_newest_change_has_the_last_word(tier: Tier, stack: RunningStack) -> None:
    tenants = [stack.name("fast") for _ in range(3)]
    for tenant in tenants:
        tier.add_tenant(tenant, *ClusterStep)

    for pods in (20, 30):
        tier.change(pods)
    ended = tier.ended(tier.change(40))

    assert (ended["state"], ended["done"]) == ("Succeeded", 3), ended
    machine = stack.executions("TierPropagation")
    for arn, event in machine.inputs().items():
        if event["detail"]["data"].get("tier") == tier.name:
            assert machine.ended(arn, MINUTES)["status"] == "SUCCEEDED"
    assert [tier.pods(tenant) for tenant in tenants] == ["20", "20", "20"]


def test_an_execution_that_dies_is_recorded_and_the_next_one_does_the_work(
    tier: Tier, stack: RunningStack
) -> None:
    tenant = stack.name("dead")
    tier.add_tenant(tenant, *ClusterStep)
    tier.settled(tenant)
    machine = stack.executions("TierPropagation")
    with stack.held_still("kubernetes"):
        generation = tier.change(10)

        def running() -> str | None:
            if tier.call("GET", f"/tiers/{tier.name}")["propagation"]["state"] != "Running":
                return None
            started = (
                arn
                for arn, event in machine.inputs().items()
                if event["detail"]["data"].get("generation") == generation
                and event["detail"]["data"]["tier"] == tier.name
            )
            return next(started, None)

        machine.abort(eventually(running, "the execution to have begun"))
        dead = tier.ended(generation)
    assert (dead["state"], dead["reason"]["code"]) == ("Failed", "ExecutionEnded")
    assert "ABORTED" in dead["reason"]["message"]

    assert tier.ended(tier.retry())["state"] == "Succeeded"
    assert tier.pods(tenant) == "5"
