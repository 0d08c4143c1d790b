"""What platform administrators do with tiers, and the state machine's tasks run in their order."""

from dataclasses import dataclass
from typing import Any

from tests.functions.api_calls import Answer, Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json, on_the_bus


@dataclass
class Platform:
    """A platform administrator; on tenant routes it names the tenant."""

    api: Api
    cloud: Cloud

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api(method, path, body, tenant=None, role="platform-admin", headers=named)

    def create_tier(self, name: str, level: int = 20, **more: Any) -> Answer:
        created = self.call("POST", "/tiers", {"name": name, "level": level} | more)
        assert created.status == 201, created.body
        return created

    def tier(self, name: str) -> Json:
        found: Json = self.call("GET", f"/tiers/{name}").json
        return found

    def add_tenant(self, tenant: str, tier: str = "standard", **attributes: Any) -> None:
        """A tenant as onboarding leaves it: item, entry in the directory, subscription."""
        self.cloud.add_tenant(tenant, version=1, status="Active", **attributes)
        self.cloud.put("PLATFORM", f"TENANT#{tenant}", tenant_id=tenant, tier=tier)
        self.subscribe(tenant, tier)

    def subscribe(self, tenant: str, tier: str, **more: Any) -> Answer:
        body = {"tier": tier} | more
        put = self.call("PUT", "/subscriptions/tenant", body, x_tenant_id=tenant)
        assert put.status == 200, put.body
        return put

    def stored_event(self, pk: str, sk: str) -> Json:
        return on_the_bus(self.cloud.item(pk, sk)["event"])

    def tier_event(self, tier: str) -> Json:
        return self.stored_event("PLATFORM", f"TIER#{tier}")

    def tenant(self, tenant: str) -> Json:
        return self.cloud.item(f"TENANT#{tenant}", "TENANT")


def open_share(event: Json, execution: str = "e1") -> Json:
    share: Json = invoke(
        "tiers/record_propagation", {"step": "OpenShare", "event": event, "execution": execution}
    )
    return share


def record_share(
    event: Json, share: Json, results: list[Json], execution: str = "e1", shares: int = 1
) -> Json:
    given = {
        "step": "RecordShare",
        "event": event,
        "execution": execution,
        "page": share["page"],
        "after": share["after"],
        "results": results,
        "shares": shares,
    }
    recorded: Json = invoke("tiers/record_propagation", given)
    return recorded


def applied(share: Json, failed: tuple[str, ...] = ()) -> list[Json]:
    """What the Map's tasks answer for a share."""
    return [
        {"tenant_id": tenant, "error": "ClusterRefusedError", "cause": '{"errorMessage": "no"}'}
        if tenant in failed
        else {"tenant_id": tenant, "outcome": "Applied"}
        for tenant in share["tenants"]
    ]
