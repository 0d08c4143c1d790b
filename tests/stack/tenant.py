"""A tenant that a test makes for itself, through the API alone."""

from dataclasses import dataclass
from http import HTTPStatus
from secrets import token_urlsafe

from local.deploy.identity import sign_in
from tests.stack.caller import Answer, Caller, Json
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.waiting import eventually

ADMINISTRATOR = "ada"
PENDING = ("Onboarding", "Offboarding")


@dataclass(frozen=True)
class OwnProject(Project):
    """A project in which the tenant's own administrator works."""

    member: Caller

    @property
    def caller(self) -> Caller:
        return self.member


@dataclass(frozen=True)
class TenantOnStack:
    """Seen by the platform's administrator."""

    stack: RunningStack
    name: str

    @property
    def platform(self) -> Caller:
        return self.stack.caller(None, "platform-admin")

    def request(self) -> Answer:
        """Ask for the tenant: the one call that makes it."""
        body = {
            "tenant": self.name,
            "display_name": self.name.title(),
            "tier": "standard",
            "administrator": {"name": ADMINISTRATOR, "email": f"{ADMINISTRATOR}@example.com"},
        }
        answer = self.platform.call("POST", "/tenants", body)
        assert answer.status == HTTPStatus.ACCEPTED, answer
        return answer

    def offboard(self) -> None:
        answer = self.platform.call("DELETE", f"/tenants/{self.name}")
        assert answer.status == HTTPStatus.ACCEPTED, answer

    @property
    def view(self) -> Json:
        return self.platform.get(f"/tenants/{self.name}")

    def ended(self, seconds: float = 120) -> Json:
        """The tenant when nothing is being done to it any more."""

        def look() -> Json | None:
            found = self.view
            return None if found["status"] in PENDING else found

        return eventually(look, f"the work on {self.name} to end", seconds)

    def wait_for_step(self, step: str, *states: str) -> None:
        def look() -> bool:
            steps = {each["name"]: each["state"] for each in self.view["steps"]}
            return steps.get(step) in states

        eventually(look, f"step {step} of {self.name} to be {' or '.join(states)}", 60)

    def administrator(self) -> Caller:
        """Signed in; the password is set as the invitation's would be."""
        username, password = f"{self.name}.{ADMINISTRATOR}", f"{token_urlsafe(18)}aA1!"
        described = self.stack.described
        self.stack.aws("cognito-idp").admin_set_user_password(
            UserPoolId=described["user_pool_id"],
            Username=username,
            Password=password,
            Permanent=True,
        )
        token = sign_in(self.stack.cloud, described["client_id"], username, password)
        return Caller(described["api_url"], token)

    def create_project(self, name: str) -> OwnProject:
        project = OwnProject(self.stack, self.name, name, self.administrator())
        project.caller.post("/projects", {"name": name})
        return project

    def traces(self) -> list[str]:
        """What is left of the tenant beside its record, its directory entry and its audit trail."""
        found = [
            f"namespace {name}"
            for name in (f"tenant-{self.name}", f"tenant-{self.name}-runs")
            if self.stack.cluster.find("/api/v1/namespaces", "", name)
        ]
        for prefix in (f"models/{self.name}/", f"registry/tenant-{self.name}/"):
            found += self.stack.stored(prefix)
        found += self._items() + self._in_services()
        return found

    def _items(self) -> list[str]:
        table = self.stack.described["table_name"]
        pages = self.stack.aws("dynamodb").get_paginator("scan").paginate(TableName=table)
        keys = [
            (item["pk"]["S"], item["sk"]["S"], item) for page in pages for item in page["Items"]
        ]
        own = f"TENANT#{self.name}"
        left = [
            f"{pk} {sk}"
            for pk, sk, _ in keys
            if (pk == own or pk.startswith(f"{own}#")) and pk != f"{own}#AUDIT" and sk != "TENANT"
        ]
        platform = [
            f"{pk} {sk}"
            for pk, sk, item in keys
            if pk.startswith("PLATFORM")
            and "deleted_at" not in item
            and sk.endswith(f"#{self.name}")
            and sk != own
        ]
        return left + platform

    def _in_services(self) -> list[str]:
        pool = self.stack.described["user_pool_id"]
        identity = self.stack.aws("cognito-idp")
        users = identity.list_users(UserPoolId=pool, Limit=60)["Users"]
        groups = identity.list_groups(UserPoolId=pool, Limit=60)["Groups"]
        schedules = self.stack.aws("scheduler").list_schedule_groups()["ScheduleGroups"]
        names = [
            *(user["Username"] for user in users if user["Username"].startswith(f"{self.name}.")),
            *(group["GroupName"] for group in groups),
            *(group["Name"] for group in schedules),
        ]
        return [name for name in names if name == f"tenant-{self.name}" or "." in name]
