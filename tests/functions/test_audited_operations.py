"""Every operation of the API that changes something is one change to the audit recorder, of whoever asked for it.

That the recorder makes one record of each, `test_audit` tells.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.functions.api_calls import Answer, Api, Person, operations
from tests.functions.cloud import Cloud
from tests.functions.deployments import TOLD, put_deployments
from tests.functions.examples import BODIES, NAMES
from tests.functions.samples import Json
from tests.functions.scenario import Scenario
from tests.functions.tiers import Platform
from tests.functions.trail import Trail

# They write nothing of their own: what they answer is made, checked or foretold, and CloudTrail tells of sessions
# with AWS.
CHANGING_NOTHING = {"createUploadCredentials", "createToken", "validatePolicy", "planRollout"}
DEVELOPER = Person("acme", "developer")
ADMIN = Person("acme", "tenant-admin")
ROOT = Person(None, "platform-admin", "root")


@dataclass(frozen=True)
class Step:
    """One call: its operation, by whom, and what differs from the example.

    `chain` is the tenant to whose chain it belongs, `take` finds names in the answer for the steps after."""

    operation: str
    person: Person = DEVELOPER
    body: Any = None
    names: dict[str, str] = field(default_factory=dict)
    chain: str = "acme"
    take: Callable[[Json], dict[str, str]] = lambda _: {}


GROUP = {"subscriber": "vision-team"}
STEPS = (
    Step("createProject"),
    Step("deleteProject", names={"project": "another"}),
    Step("createUpload", take=lambda answer: {"upload": answer["upload"]["upload"]}),
    Step("cancelUpload"),
    Step("changeModel"),
    Step("changeVersion"),
    Step("putCard"),
    Step("approveVersion", ADMIN),
    Step("rejectVersion", ADMIN),
    Step("approveVersion", ADMIN),
    Step("putRegistryPolicy", ADMIN, body={"champion_follows_promotion": False}),
    Step("moveAlias"),
    Step("moveAliases"),
    Step("deleteAlias"),
    Step("putServingPolicy"),
    Step("createDeployment"),
    Step("putDeploymentSettings"),
    Step("createRollout", body={"version": 2}),
    Step("pauseRollout"),
    Step("resumeRollout"),
    Step("approveRollout"),
    Step("promoteRollout"),
    Step("abortRollout"),
    Step("rollBackDeployment"),
    Step("stopDeployment"),
    Step("resumeDeployment"),
    Step("createSigningKey", ADMIN),
    Step("revokeSigningKey", ADMIN),
    Step("deleteVersion", names={"version": "3"}),
    Step("deleteDeployment", names={"deployment": "other"}),
    Step("createPolicy", ADMIN, take=lambda _: {"policy": "another"}),
    Step("changePolicy", ADMIN),
    Step("deletePolicy", ADMIN),
    Step("invitePerson", ADMIN),
    Step("changePerson", ADMIN),
    Step("resetCredentials", ADMIN),
    Step("revokePersonTokens", ADMIN),
    Step("disablePerson", ADMIN),
    Step("enablePerson", ADMIN),
    Step("removePerson", ADMIN),
    Step("createMachine", ADMIN),
    Step("createKey", ADMIN, take=lambda answer: {"key": answer["key_id"]}),
    Step("revokeKey", ADMIN),
    Step("createKey", ADMIN),
    Step("revokeKeys", ADMIN, body={"dry_run": False}),
    Step("deleteMachine", ADMIN),
    Step("createWebhook", ADMIN),
    Step("changeWebhook", ADMIN),
    Step("rotateWebhookSecret", ADMIN),
    Step("testWebhook", ADMIN),
    Step("redeliverWebhookDelivery", ADMIN),
    Step("deleteWebhook", ADMIN),
    Step("createTier", ROOT, chain="platform"),
    Step("changeTier", ROOT, chain="platform"),
    Step("retryPropagation", ROOT, chain="platform"),
    Step("mapGroup", ROOT, chain="platform"),
    Step("unmapGroup", ROOT, chain="platform"),
    Step("putSubscription", ROOT, body={"tier": "gold"}, names=GROUP),
    Step("deleteSubscription", ROOT, names=GROUP),
    Step("deleteTier", ROOT, chain="platform"),
    Step("changeTenant", ROOT, body={"display_name": "Acme and Sons"}),
    Step("suspendTenant", ROOT),
    Step("activateTenant", ROOT),
    Step("revokeTenantTokens", ROOT),
    Step("offboardTenant", ROOT),
    Step("createTenant", ROOT, chain="initech"),
)
BY_ID = {operation.id: operation for operation in operations()}


def test_story_tells_of_every_operation_that_changes_something() -> None:
    changing = {operation.id for operation in operations() if operation.method != "GET"}

    assert {step.operation for step in STEPS} | CHANGING_NOTHING == changing


@dataclass
class Story:
    call: Api
    trail: Trail
    names: dict[str, str] = field(default_factory=lambda: dict(NAMES))

    def tell(self, number: int, step: Step) -> Answer:
        """Make the call, under a correlation id of its own."""
        operation = BY_ID[step.operation]
        named = self.names | TOLD.get(operation.name, {}) | step.names
        path = operation.path.format(**named)
        headers = {"X-Correlation-Id": f"step-{number}"}
        if step.person is ROOT and "{tenant}" not in path and step.chain == "acme":
            headers["X-Tenant-Id"] = "acme"
        body = step.body if step.body is not None else BODIES.get(step.operation)
        answer = self.call.call_as(step.person, operation.method, path, body, headers)
        if answer.status < 300 and answer.body:
            self.names |= step.take(answer.json)
        return answer

    def recorded(self) -> dict[str, list[tuple[str, str]]]:
        """Tenant and actor of every change that the recorder is given, by its correlation id."""
        assert self.trail.forward() == []
        found: dict[str, list[tuple[str, str]]] = {}
        for message in self.trail.take_all():
            change = json.loads(message["body"])
            told = (message["attributes"]["MessageGroupId"], change["actor"])
            found.setdefault(change["correlation_id"], []).append(told)
        return found


@pytest.fixture
def story(call: Api, cloud: Cloud, acme: Scenario, monkeypatch: pytest.MonkeyPatch) -> Story:
    """acme as onboarding leaves it, with three versions of a served model, and further deployments."""
    Platform(call, cloud).add_tenant("acme", display_name="Acme")
    for content in (b"1", b"2", b"3"):
        acme.upload_version(content=content)
    acme.serve(1)
    acme.upload_version("other")
    acme.serve(1, "other")
    put_deployments(cloud)
    # The webhook that is created later is the one that this was sent to.
    monkeypatch.setattr("controlplane.webhooks.service.token_hex", lambda _: "0")
    sent = {"delivery_id": NAMES["delivery"], "webhook": "pager", "webhook_id": "wh-0"}
    event = {"event_id": "e", "event_type": "RolloutEnded", "payload": "{}", "version": 1}
    moment = {"created_at": "2026-03-02T09:15:00+00:00", "state": "Delivered"}
    cloud.put("TENANT#acme", f"DELIVERY#pager#{NAMES['delivery']}", **sent, **event, **moment)
    return Story(call, Trail.create(cloud, monkeypatch))


def test_each_change_leaves_one_record_of_its_actor(story: Story) -> None:
    refused = [
        (step.operation, answer.status, answer.body)
        for number, step in enumerate(STEPS)
        if (answer := story.tell(number, step)).status >= 300
    ]
    recorded = story.recorded()

    assert refused == []
    for number, step in enumerate(STEPS):
        expected = [(step.chain, f"user:{step.person.claims['sub']}")]
        assert recorded.get(f"step-{number}") == expected, step.operation
