"""State machine task: take a tenant's work in hand, turn it round, hand it on or end it."""

from typing import Any

from controlplane.onboarding.execution import continue_later, finish, open_work, withdraw
from controlplane.runtime.tasks import task
from controlplane.runtime.tenant_work import TurnInput, described
from controlplane.runtime.wiring.onboarding import tenant_records


@task(TurnInput.parse)
def lambda_handler(given: TurnInput) -> dict[str, Any]:
    """`work`, which every later task of the execution takes, and `next`, the step to go on with; or the status."""
    tenants = tenant_records()
    match given.turn:
        case "Open":
            step = open_work(given.tenant_id, given.execution, tenants=tenants)
            work = given.model_dump(exclude={"turn", "error", "cause"})
            return {"work": work, "next": described(step)}
        case "Withdraw":
            step = withdraw(given.tenant_id, given.execution, given.reason, tenants=tenants)
            return {"next": described(step)}
        case "Continue":
            continue_later(given.tenant_id, given.execution, tenants=tenants)
            return {"status": "Continued"}
        case "Finish":
            return {"status": finish(given.tenant_id, given.execution, tenants=tenants)}
