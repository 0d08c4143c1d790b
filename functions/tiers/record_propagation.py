"""What the state machine TierPropagation reads and records: one function, because all steps have the same rights.

A task names its step; a rule hands over the status change of an execution that died, which names none.
"""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from controlplane.runtime.propagations import (
    EndedExecutionInput,
    FailedTenantInput,
    PageInput,
    PropagationInput,
)
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.tiers import propagation_repository, subscription_repository
from controlplane.tiers.propagation import (
    PAGES_AN_EXECUTION,
    open_propagation,
    record_ended_execution,
    record_failure,
    record_page,
)


@task(PropagationInput.parse)
def open_share(given: PropagationInput) -> dict[str, Any]:
    share = open_propagation(
        given.tier, given.generation, given.execution, propagations=propagation_repository()
    )
    return asdict(share)


@task(PageInput.parse)
def record_share(given: PageInput) -> dict[str, Any]:
    share = record_page(
        given.tier,
        given.generation,
        given.execution,
        given.page,
        given.after,
        given.outcomes(),
        is_last_share=given.shares >= PAGES_AN_EXECUTION,
        propagations=propagation_repository(),
    )
    return asdict(share)


@task(FailedTenantInput.model_validate)
def record_tenant(given: FailedTenantInput) -> None:
    record_failure(given.tenant_id, given.reason, subscriptions=subscription_repository())


@task(EndedExecutionInput.parse)
def record_ended(given: EndedExecutionInput) -> None:
    if given.tier is None:
        record_failure(given.tenant_id, given.reason, subscriptions=subscription_repository())
        return
    record_ended_execution(
        given.tier,
        given.generation,
        given.execution,
        given.status,
        propagations=propagation_repository(),
    )


_STEPS = {"OpenShare": open_share, "RecordShare": record_share, "RecordTenant": record_tenant}


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    step = event.get("step")
    return (record_ended if step is None else _STEPS[step])(event, context)
