"""One call makes a tenant that can at once serve a model; whatever stops that leaves nothing; another call ends it."""

import json
from collections.abc import Iterator

import pytest
import requests

from local.demo.traffic import LiveTraffic
from local.demo.training import Training
from tests.stack.events import EventLog
from tests.stack.running import RunningStack
from tests.stack.tenant import TenantOnStack
from tests.waiting import eventually

NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
def tenant(stack: RunningStack) -> TenantOnStack:
    """A tenant that nobody has asked for yet."""
    return TenantOnStack(stack, stack.name("firm"))


@pytest.fixture
def known_events(stack: RunningStack) -> EventLog:
    """The events of a SaaS control plane by the names that others know."""
    pattern = {"source": ["controlPlaneEventSource", "applicationPlaneEventSource"]}
    bus = stack.described["event_bus_name"]
    return EventLog(stack.aws("events"), stack.aws("sqs"), bus, pattern, "test-saas")


def test_one_call_makes_a_tenant_that_serves_and_another_ends_it_without_a_trace(
    tenant: TenantOnStack, training: Training, known_events: EventLog
) -> None:
    known_events.all()  # subscribes
    tenant.request()
    active = tenant.ended()
    assert active["status"] == "Active", active
    assert {step["state"] for step in active["steps"]} == {"Done", "Skipped"}

    project = tenant.create_project("vision")
    deployment = project.serve("digits", training.first.file.read_bytes())
    ready = deployment["endpoints"]["v2"].removesuffix("/infer") + "/ready"
    # The gateway hears of a new namespace's Service a moment after everybody else.
    eventually(lambda: requests.get(ready, timeout=5).ok, "the gateway to know the model")
    models = {"first": training.first.predictions}
    with LiveTraffic(deployment["endpoints"]["v2"], training.rows, models) as traffic:
        eventually(lambda: traffic.answers.count > 20, "callers to be answered")
    assert traffic.answers.failures == []

    tenant.offboard()
    ended = tenant.ended()
    assert ended["status"] == "Offboarded", ended
    assert tenant.traces() == []
    exported = tenant.stack.stored(f"exports/{tenant.name}/")
    assert exported
    counts = {step["name"]: step["count"] for step in ended["steps"]}
    assert counts["deployments"] == 1
    assert min(counts["objects"], counts["records"]) > 2
    kinds = _kinds(tenant, exported)
    assert kinds >= {"TENANT", "PROJECT", "PERSON", "MODEL", "VERSION", "DEPLOYMENT", "ROLLOUT"}

    def told() -> list[str] | None:
        seen = [
            event["detail-type"]
            for event in known_events.all()
            if event["detail"]["tenantId"] == tenant.name
        ]
        return seen if "offboardingSuccess" in seen else None

    assert eventually(told, "the toolkit's events") == [
        "onboardingRequest",
        "provisionSuccess",
        "onboardingSuccess",
        "offboardingRequest",
        "deprovisionSuccess",
        "offboardingSuccess",
    ]


def test_a_step_that_the_cluster_refuses_for_good_is_taken_back(tenant: TenantOnStack) -> None:
    """A namespace of that name is on its way out, held by somebody else's finalizer: nothing can be made in it."""
    name, client = f"tenant-{tenant.name}", tenant.stack.cluster
    held = {"metadata": {"name": name, "finalizers": ["example.com/held"]}}
    client.create(NAMESPACES, "", held)
    client.delete(NAMESPACES, "", name)

    tenant.request()
    tenant.wait_for_step("namespaces", "Removing")
    reason = tenant.view["reason"]
    assert reason["code"] == "ClusterRefusedError", reason
    client.release(NAMESPACES, "", name)

    failed = tenant.ended()
    assert failed["status"] == "OnboardingFailed"
    assert tenant.traces() == []
    tenant.request()
    assert tenant.ended()["status"] == "Active"


def test_a_stopped_execution_is_recorded_and_the_repeated_call_makes_the_tenant(
    tenant: TenantOnStack,
) -> None:
    executions = tenant.stack.executions("TenantOnboarding")
    with tenant.stack.held_still("kubernetes"):
        tenant.request()
        tenant.wait_for_step("namespaces", "Started")
        arn = _execution_of(tenant)
        executions.abort(arn)
    assert executions.ended(arn)["status"] == "ABORTED"
    failed = tenant.ended()
    assert failed["status"] == "OnboardingFailed", failed
    assert failed["reason"]["code"] == "ExecutionEnded"
    assert tenant.traces() == []

    tenant.request()
    assert tenant.ended()["status"] == "Active"


def _execution_of(tenant: TenantOnStack) -> str:
    def look() -> str | None:
        inputs = tenant.stack.executions("TenantOnboarding").inputs()
        found = (
            arn
            for arn, event in inputs.items()
            if event["detail"]["metadata"]["tenant_id"] == tenant.name
        )
        return next(found, None)

    return eventually(look, f"the execution that makes {tenant.name}")


def _kinds(tenant: TenantOnStack, exported: list[str]) -> set[str]:
    """The kinds of the exported records."""

    def records() -> Iterator[str]:
        for key in exported:
            body = tenant.stack.aws("s3").get_object(
                Bucket=tenant.stack.described["models_bucket"], Key=key
            )["Body"]
            for line in body.read().splitlines():
                yield str(json.loads(line)["sk"])

    return {record.partition("#")[0] for record in records()}
