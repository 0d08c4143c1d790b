"""Step Functions' status-change event: record that a tenant's work lost its execution, and ask for another."""

from datetime import timedelta

from controlplane.onboarding.execution import record_ended_execution
from controlplane.runtime.settings import OnboardingSettings, load
from controlplane.runtime.tasks import task
from controlplane.runtime.tenant_work import EndedWork
from controlplane.runtime.wiring.onboarding import tenant_records


@task(EndedWork.parse)
def lambda_handler(given: EndedWork) -> None:
    record_ended_execution(
        given.tenant_id,
        given.execution,
        given.status,
        timedelta(seconds=load(OnboardingSettings).onboarding_pause_seconds),
        tenants=tenant_records(),
    )
