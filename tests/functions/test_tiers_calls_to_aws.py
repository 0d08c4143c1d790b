"""What the tiers' operations say to AWS: the budget of each, and whose items a tenant's people reach."""

from typing import Any

import pytest

from controlplane.runtime import access_cache
from local.bench.wire import Call, Wire
from tests.functions.api_calls import Answer, Api, operations
from tests.functions.cloud import Cloud
from tests.functions.test_calls_to_aws import keys_of
from tests.functions.tiers import Platform

GET, BATCH, QUERY = "GetItem", "BatchGetItem", "Query"
PUT, TRANSACT = "PutItem", "TransactWriteItems"
# By operation in an order in which each succeeds: the request, its calls in a warm container, and the answer.
BUDGET: dict[str, tuple[str, str, Any, list[str]]] = {
    "createTier": ("POST", "/tiers", {"name": "new", "level": 1}, [PUT]),
    "listTiers": ("GET", "/tiers", None, [QUERY]),
    "getTier": ("GET", "/tiers/new", None, [BATCH]),
    "changeTier": ("PATCH", "/tiers/new", {"limits": {"pods": 3}}, [BATCH, TRANSACT]),
    "retryPropagation": ("POST", "/tiers/new/propagation", None, [BATCH, TRANSACT]),
    "mapGroup": ("PUT", "/tiers/new/groups/gold", None, [BATCH, TRANSACT]),
    "unmapGroup": ("DELETE", "/tiers/new/groups/gold", None, [BATCH, TRANSACT]),
    "deleteTier": ("DELETE", "/tiers/new", None, [BATCH, TRANSACT]),
    "putSubscription": ("PUT", "/subscriptions/gold", {"tier": "standard"}, [BATCH, TRANSACT]),
    "listSubscriptions": ("GET", "/subscriptions", None, [QUERY]),
    "getLimits": ("GET", "/limits?group=gold&group=other", None, [BATCH]),
    "deleteSubscription": ("DELETE", "/subscriptions/gold", None, [BATCH, TRANSACT]),
}
BY_TENANTS = ("listSubscriptions", "getLimits")


@pytest.fixture
def platform(call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A warm container: who may call is remembered, and what tiers there are."""
    monkeypatch.setattr(access_cache, "LIFETIME_SECONDS", 600.0)
    made = Platform(call, cloud)
    made.add_tenant("umbrella")
    made.call("GET", "/tiers?limit=1")
    for query in ("", "?group=gold"):
        _ask(made, "GET", f"/limits{query}")
    _ask(made, "GET", "/subscriptions?limit=1")
    return made


def _ask(platform: Platform, method: str, path: str, body: Any = None) -> Answer:
    if path.startswith("/tiers"):
        return platform.call(method, path, body)
    return platform.call(method, path, body, x_tenant_id="umbrella")


def test_every_operation_keeps_its_budget(platform: Platform, wire: Wire) -> None:
    mine = {o.id for o in operations() if o.function == "tiers/api"}
    assert set(BUDGET) == mine
    for method, _, _, calls in BUDGET.values():
        assert len(calls) <= (1 if method == "GET" else 2)
        assert (calls[-1] in (PUT, TRANSACT)) == (method != "GET")
    for entry in ("GET", "/tiers"), ("GET", "/limits"), ("GET", "/subscriptions"):
        _ask(platform, *entry)  # the wire's container is another one
    for name, (method, path, body, calls) in BUDGET.items():
        with wire.recording() as made:
            answer = _ask(platform, method, path, body)
        assert answer.status < 300, (name, answer.body)
        assert _names(made) == calls, name


def test_budgets_do_not_grow_with_tiers_and_tenants(platform: Platform, wire: Wire) -> None:
    subscribers = [
        {"pk": "PLATFORM", "sk": f"SUBSCRIBER#standard#t{n}", "tenant_id": f"t{n}"}
        for n in range(300)
    ]
    platform.cloud.put_many(subscribers)
    for entry in ("GET", "/tiers"), ("GET", "/limits"):
        _ask(platform, *entry)
    for name in ("getTier", "changeTier", "retryPropagation", "putSubscription", "getLimits"):
        method, path, body, calls = BUDGET[name]
        with wire.recording() as made:
            _ask(platform, method, path.replace("new", "standard"), body)
        assert _names(made) == calls, name


def test_a_tenants_people_read_their_own_items_and_the_tiers(
    platform: Platform, call: Api, wire: Wire
) -> None:
    """The tiers are the platform's and everybody's; all else is asked with the tenant's credentials."""
    keys = set()
    for name in BY_TENANTS:
        method, path, body, _ = BUDGET[name]
        with wire.recording() as made:
            answer = call(
                method,
                path,
                body,
                tenant="globex",
                role="tenant-admin",
                headers={"X-Tenant-Id": "umbrella"},
            )
        assert answer.status == 200
        keys |= {key for said in made if said.service == "dynamodb" for key in keys_of(said)}

    assert {pk for pk, _ in keys} == {"TENANT#globex", "PLATFORM"}
    assert {sk for pk, sk in keys if pk == "PLATFORM"} == {"TIER#"}


def _names(made: list[Call]) -> list[str]:
    return [c.name for c in made if c.service == "dynamodb"]
