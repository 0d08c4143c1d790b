"""An embedded stack of its own for the tests, and what they reach it by."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

from local import services, stack
from local.deploy.clients import EmbeddedCloud
from local.processes import GRACE, Processes
from local.settings import PROJECT, Settings, load
from tests.stack.caller import Caller, Json
from tests.stack.cluster import ClusterClient
from tests.stack.events import EventLog
from tests.stack.executions import Executions


class RunningStack:
    """One stack in a state folder; every port is free to begin with and the same after a restart."""

    def __init__(
        self,
        state: Path,
        kubeconfig: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings: Settings = load(state, "auto", kubeconfig, environment or {})
        self.processes = Processes(self.settings.state, PROJECT)
        self.cloud = EmbeddedCloud(self.settings.endpoint)
        self.described: Json = {}
        self._clients: dict[str, Any] = {}
        self._executions: dict[str, Executions] = {}
        self._tokens: dict[tuple[str | None, str], str] = {}

    def up(self) -> list[str]:
        """Bring it up, or up to date; the titles of what was done."""
        steps: list[str] = []
        self.described = stack.up(self.settings, lambda step: steps.append(step.title))
        self._tokens.clear()
        for log in (self.events, self.s3_events):
            log.all()  # subscribes, so that no test misses what it causes
        return steps

    def down(self) -> None:
        stack.down(self.settings, lambda _: None)

    def discard(self) -> None:
        """End it for good, without saving or draining: only the controller has its time, to end the models' servers."""
        for name in reversed(services.NAMES):
            self.processes.stop(name, grace=GRACE if name == "controller" else 0)

    def aws(self, service: str) -> Any:
        """A boto3 client with the embedded cloud's own credentials."""
        if service not in self._clients:
            self._clients[service] = self.cloud.client(service)
        return self._clients[service]

    def executions(self, name: str) -> Executions:
        """The executions of the state machine of that name."""
        if name not in self._executions:
            machine = self.described["state_machines"][name]
            self._executions[name] = Executions(self.aws("stepfunctions"), machine)
        return self._executions[name]

    @cached_property
    def events(self) -> EventLog:
        """Headrace's own events."""
        pattern = {"source": [{"prefix": "headrace."}]}
        bus = self.described["event_bus_name"]
        return EventLog(self.aws("events"), self.aws("sqs"), bus, pattern, "test-headrace")

    @cached_property
    def s3_events(self) -> EventLog:
        """What S3 announces."""
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
        return EventLog(self.aws("events"), self.aws("sqs"), "default", pattern, "test-s3")

    def user(self, tenant: str | None, role: str) -> Json:
        return next(
            user
            for user in self.described["users"]
            if (user["tenant"], user["role"]) == (tenant, role)
        )

    def caller(self, tenant: str | None = "acme", role: str = "developer") -> Caller:
        """A signed-in user."""
        if (tenant, role) not in self._tokens:
            self._tokens[tenant, role] = stack.access_token(
                self.settings, self.user(tenant, role)["username"]
            )
        return Caller(self.described["api_url"], self._tokens[tenant, role])

    def stranger(self, token: str | None = None) -> Caller:
        return Caller(self.described["api_url"], token)

    @property
    def cluster(self) -> ClusterClient:
        return ClusterClient(self.settings.kubeconfig)

    @contextmanager
    def held_still(self, name: str) -> Iterator[None]:
        """Stop one process in its tracks, as a machine that hangs does, and let it go on after."""
        record = self.processes.running(name)
        assert record is not None, f"{name} does not run"
        os.kill(record.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(record.pid, signal.SIGCONT)

    def kill(self, name: str) -> None:
        """End one process without a chance to tidy up."""
        record = self.processes.running(name)
        assert record is not None, f"{name} does not run"
        os.kill(record.pid, signal.SIGKILL)

    @contextmanager
    def throttled(self, function: str) -> Iterator[None]:
        """Let Lambda refuse every call of the function whose logical name that is."""
        client = self.aws("lambda")
        pages = client.get_paginator("list_functions").paginate()
        names = [f["FunctionName"] for page in pages for f in page["Functions"]]
        (name,) = (each for each in names if f"-{function}" in each)
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        try:
            yield
        finally:
            client.delete_function_concurrency(FunctionName=name)

    @contextmanager
    def uploads_unannounced(self) -> Iterator[None]:
        """Keep S3's events from the state machine, so that the test delivers them itself."""
        events = self.aws("events")
        target = self.described["state_machines"]["VersionRegistration"]
        names = events.list_rule_names_by_target(TargetArn=target)["RuleNames"]
        assert names
        for name in names:
            events.disable_rule(Name=name)
        try:
            yield
        finally:
            for name in names:
                events.enable_rule(Name=name)

    def update_item(self, pk: str, sk: str, expression: str, values: Json) -> None:
        """Change an item as time or an operator would; `expression` is an UpdateExpression."""
        self.aws("dynamodb").update_item(
            TableName=self.described["table_name"],
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            UpdateExpression=expression,
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues=values,
        )

    def stored(self, prefix: str) -> list[str]:
        """The keys of every object version below a prefix of the models bucket."""
        answer = self.aws("s3").list_object_versions(
            Bucket=self.described["models_bucket"], Prefix=prefix
        )
        return [entry["Key"] for entry in answer.get("Versions", [])]

    @staticmethod
    def name(prefix: str) -> str:
        """A name that no other test uses."""
        return f"{prefix}-{token_hex(3)}"
