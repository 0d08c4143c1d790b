"""A tenant's life as the platform's administrators and the state machines lead it, task by task."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from controlplane.errors import ConcurrentChangeError, ThrottledError, UnavailableError
from controlplane.onboarding.model import TenantRecord
from controlplane.onboarding.ports import Removal, TenantPart
from tests.functions.api_calls import Answer, Api, handler, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json, execution_ended, on_the_bus
from tests.local.kubernetes_api.running_server import RunningServer

ATTEMPTS = 5
ROUNDS = 200  # of a state machine, before a test gives up on it


class CrashedError(Exception):
    """The function has died."""


@dataclass
class Crash:
    """Kills a function once, around the effect of one step: `before` it, `after` it, or once it is `recorded`."""

    step: str = ""
    moment: str = ""
    broken: str = ""

    def at(self, step: str, moment: str) -> None:
        if (self.step, self.moment) == (step, moment):
            self.step = ""
            raise CrashedError(f"{moment} {step}")
        if moment == "before" and step == self.broken:
            raise CrashedError(f"{step} fails for good")


@dataclass(frozen=True)
class FragilePart:
    """A part that may die before or after its effect."""

    name: str
    part: TenantPart
    crash: Crash

    def apply(self, tenant: TenantRecord, /) -> str | None:
        self.crash.at(f"Apply {self.name}", "before")
        done = self.part.apply(tenant)
        self.crash.at(f"Apply {self.name}", "after")
        return done

    def remove(self, tenant: TenantRecord, position: str | None, /) -> Removal:
        self.crash.at(f"Remove {self.name}", "before")
        done = self.part.remove(tenant, position)
        self.crash.at(f"Remove {self.name}", "after")
        return done


@dataclass
class TenantLife:
    """One tenant, from the request for it to its tombstone."""

    call: Api
    cloud: Cloud
    tenant: str
    crash: Crash = field(default_factory=Crash)
    executions: int = 0

    def ask(self, method: str, path: str = "", body: Any = None, **options: Any) -> Answer:
        """A request of the platform's administrator for this tenant."""
        full = f"/tenants/{self.tenant}{path}"
        return self.call(method, full, body, tenant=None, role="platform-admin", **options)

    def request(self, tier: str = "standard", **options: Any) -> Answer:
        body = {
            "tenant": self.tenant,
            "display_name": self.tenant.title(),
            "tier": tier,
            "administrator": {"name": "ada", "email": "ada@example.com"},
        }
        return self.call("POST", "/tenants", body, tenant=None, role="platform-admin", **options)

    @property
    def item(self) -> Json:
        return self.cloud.item(f"TENANT#{self.tenant}", "TENANT")

    @property
    def event(self) -> Json:
        """The event of the tenant's last change, as the bus delivers it."""
        return on_the_bus(self.item["event"])

    def state_of(self, step: str) -> str:
        view = self.ask("GET").json
        return next((each["state"] for each in view["steps"] if each["name"] == step), "")

    def run(self, *, aborting: bool = False) -> str:
        """Executions for as long as an event asks for one; the tenant's status in the end."""
        for _ in range(20):
            event = self.event
            wanted = ("TenantOnboardingRequested", "TenantOffboardingRequested")
            if event["detail-type"] not in (*wanted, "TenantWorkInterrupted"):
                break
            self._execute(event, aborting)
        return str(self.item["status"])

    def _execute(self, event: Json, aborting: bool) -> None:
        self.executions += 1
        execution = f"arn:aws:states:us-east-1:111122223333:execution:t:{self.executions}"
        try:
            self._steps(event, execution, aborting)
        except CrashedError:
            ended = execution_ended("execution_failed_model_rollout", execution, event, "ABORTED")
            _task("onboarding/record_ended_execution", ended)

    def _steps(self, event: Json, execution: str, aborting: bool) -> None:
        given = {"event": event, "execution": execution, "turn": "Open"}
        opened = _task("onboarding/turn_work", given)
        work, following = opened["work"], opened["next"]
        for _ in range(ROUNDS):
            if following["kind"] == "Nothing":
                return
            if following["kind"] == "Finish":
                _task("onboarding/turn_work", work | {"turn": "Finish"})
                return
            following = self._step(work, following, aborting)
        pytest.fail("the state machine does not come to its end")

    def _step(self, work: Json, step: Json, aborting: bool) -> Json:
        kind = step["kind"]
        direction = "Apply" if kind.startswith("Apply") else "Remove"
        place = kind.removeprefix(direction).lower()
        given = work | {"step": step["name"], "direction": direction}

        def work_on() -> Json:
            done: Json = _task(f"onboarding/{place}_step", given)
            self.crash.at(f"{direction} {step['name']}", "recorded")
            return done

        try:
            return work_on()
        except CrashedError as crashed:
            if aborting:
                raise
            if self.crash.broken != f"{direction} {step['name']}":
                return work_on()
            cause = json.dumps({"errorMessage": str(crashed)})
            turned = {"turn": "Withdraw", "error": "CrashedError", "cause": cause}
            following: Json = _task("onboarding/turn_work", work | turned)["next"]
            return following


def _task(module: str, given: Json) -> Any:
    """A task with the retries that its state machine gives it."""
    for _ in range(ATTEMPTS):
        try:
            return invoke(module, given)
        except (ConcurrentChangeError, UnavailableError, ThrottledError) as transient:
            last = transient
    raise last


def make_fragile(crash: Crash, patch: pytest.MonkeyPatch) -> None:
    """Let the parts of every step die where the crash says."""
    for place in ("cluster", "cloud", "data"):
        handler(f"onboarding/{place}_step")  # imported before it is changed
        module = f"functions.onboarding.{place}_step"
        name = f"{place}_parts"
        patch.setattr(f"{module}.{name}", _fragile(crash, name))


def _fragile(crash: Crash, name: str) -> Callable[[], Mapping[str, TenantPart]]:
    def parts() -> Mapping[str, TenantPart]:
        from controlplane.runtime.wiring import onboarding  # noqa: PLC0415 - a fresh container's

        made: Mapping[str, TenantPart] = getattr(onboarding, name)()
        return {step: FragilePart(str(step), part, crash) for step, part in made.items()}

    return parts


def objects_in_cluster(server: RunningServer, tenant: str) -> set[str]:
    """Every object of every kind that bears the tenant's name, asked as the admin."""
    found = set()
    for group in _groups(server):
        for resource in server.call("GET", group).body["resources"]:
            if "/" in resource["name"] or "list" not in resource["verbs"]:
                continue
            for each in server.call("GET", f"{group}/{resource['name']}").body["items"]:
                metadata = each["metadata"]
                place = f"{metadata.get('namespace', '')}/{metadata['name']}"
                if tenant in place:
                    found.add(f"{resource['kind']}/{place}")
    return found


def traces(cloud: Cloud, server: RunningServer, tenant: str) -> set[str]:
    """Everything of the tenant anywhere, but its record, its directory entry and its audit trail."""
    found = objects_in_cluster(server, tenant)
    for item in cloud.items():
        key = f"{item['pk']} {item['sk']}"
        kept = (f"TENANT#{tenant} TENANT", f"PLATFORM TENANT#{tenant}")
        about = tenant in key or item.get("tenant_id") == tenant
        # The platform's own tombstones expire; in the tenant's partitions none may be left.
        is_over = item["pk"].startswith("PLATFORM") and "deleted_at" in item
        if about and not is_over and key not in kept and not item["pk"].endswith("#AUDIT"):
            found.add(key)
    found |= {key for key in _versions(cloud) if tenant in key and not key.startswith("exports/")}
    clients = cloud.clients
    users = clients.identity.list_users(UserPoolId=cloud.user_pool)["Users"]
    found |= {f"user {user['Username']}" for user in users if tenant in user["Username"]}
    groups = clients.identity.list_groups(UserPoolId=cloud.user_pool)["Groups"]
    found |= {f"group {group['GroupName']}" for group in groups if tenant in group["GroupName"]}
    schedules = clients.scheduler.list_schedule_groups()["ScheduleGroups"]
    found |= {f"schedules {group['Name']}" for group in schedules if tenant in group["Name"]}
    return found


def _versions(cloud: Cloud) -> Iterator[str]:
    listed = cloud.s3.list_object_versions(Bucket=cloud.bucket)
    for entry in (*listed.get("Versions", []), *listed.get("DeleteMarkers", [])):
        yield entry["Key"]


def _groups(server: RunningServer) -> Iterator[str]:
    yield "/api/v1"
    for group in server.call("GET", "/apis").body["groups"]:
        yield f"/apis/{group['preferredVersion']['groupVersion']}"
