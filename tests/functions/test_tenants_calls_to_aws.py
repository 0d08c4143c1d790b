"""What the operations on tenants say to AWS: a read and a write at most, on items of that tenant and the directory."""

from typing import Any

import pytest

from local.bench.wire import Wire
from tests.functions.api_calls import Api, operations
from tests.functions.cloud import Cloud

BATCH, GET, QUERY, TRANSACT = "BatchGetItem", "GetItem", "Query", "TransactWriteItems"
ONE = "/tenants/{tenant}"
BUDGET: dict[str, list[str]] = {
    "GET /tenants": [QUERY],
    "POST /tenants": [BATCH, TRANSACT],
    f"GET {ONE}": [GET],
    f"PATCH {ONE}": [GET, TRANSACT],
    f"POST {ONE}/suspend": [BATCH, TRANSACT],
    f"POST {ONE}/activate": [GET, TRANSACT],
    f"POST {ONE}/revoke-tokens": [GET, TRANSACT],
    f"DELETE {ONE}": [GET, TRANSACT],
}
BODIES: dict[str, Any] = {
    "POST /tenants": {
        "tenant": "initech",
        "display_name": "Initech",
        "administrator": {"name": "ada", "email": "ada@initech.example"},
    },
    f"PATCH {ONE}": {"display_name": "Acme & Sons"},
    f"POST {ONE}/suspend": {"serving": "keep", "reason": "unpaid"},
}


def test_every_operation_on_tenants_has_a_budget() -> None:
    named = {each.name for each in operations() if each.function == "onboarding/api"}
    assert set(BUDGET) == named


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_operations_on_tenants_keep_their_budget(
    call: Api, cloud: Cloud, wire: Wire, headers: dict[str, str]
) -> None:
    cloud.put(
        "TENANT#acme", "TENANT", tenant_id="acme", display_name="Acme", status="Active", version=1
    )

    def ask(name: str) -> int:
        method, _, path = name.partition(" ")
        path, body = path.format(tenant="acme"), BODIES.get(name)
        answer = call(method, path, body, tenant=None, role="platform-admin", headers=headers)
        return answer.status

    ask("GET /tenants")  # from here on the container is warm
    for name, expected in BUDGET.items():
        with wire.recording() as made:
            assert ask(name) < 300, name
        calls = [each for each in made if each.service == "dynamodb" and not _is_access(each.body)]
        assert [each.name for each in calls] == expected, name


def _is_access(body: Any) -> bool:
    """Whether the call asks only if the administrator's tokens were revoked."""
    key = body.get("Key", {})
    return "PRINCIPAL#" in key.get("sk", {}).get("S", "")
