"""Functions, state machines and rules in an embedded cloud, made as tests need them."""

import base64
import io
import json
import uuid
import zipfile
from typing import Any, TypeVar

from local.deploy.clients import EmbeddedCloud
from tests.waiting import eventually

ROLE = "arn:aws:iam::000000000000:role/test"

T = TypeVar("T")


def zipped(files: dict[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name, text in files.items():
            target.writestr(name, text)
    return archive.getvalue()


class Account:
    """Makes resources under names that no other test uses."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        return self._clients.setdefault(service, self.cloud.client(service))

    @staticmethod
    def name() -> str:
        return f"t{uuid.uuid4().hex[:12]}"

    def function(self, code: str, layers: list[str] | None = None) -> str:
        """A function of this module text, whose handler is `handle`; its ARN."""
        made = self.client("lambda").create_function(
            FunctionName=self.name(),
            Runtime="python3.13",
            Role=ROLE,
            Handler="code.handle",
            Code={"ZipFile": zipped({"code.py": code})},
            Timeout=20,
            Layers=layers or [],
        )
        arn: str = made["FunctionArn"]
        return arn

    def layer(self, files: dict[str, str]) -> str:
        made = self.client("lambda").publish_layer_version(
            LayerName=self.name(), Content={"ZipFile": zipped(files)}
        )
        arn: str = made["LayerVersionArn"]
        return arn

    def invoke(self, function: str, event: Any) -> tuple[str | None, Any]:
        """The function's error kind (None when it answered) and its answer."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def log(self, function: str, event: Any) -> str:
        """The log of one call."""
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event), LogType="Tail"
        )
        return base64.b64decode(answer["LogResult"]).decode()

    def machine(self, states: dict[str, Any], start: str) -> str:
        made = self.client("stepfunctions").create_state_machine(
            name=self.name(),
            roleArn=ROLE,
            definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": start, "States": states}),
        )
        arn: str = made["stateMachineArn"]
        return arn

    def run(self, machine: str, state: Any) -> dict[str, Any]:
        """The ended execution of a machine."""
        workflow = self.client("stepfunctions")
        execution = workflow.start_execution(stateMachineArn=machine, input=json.dumps(state))
        return self.ended(execution["executionArn"])

    def ended(self, execution: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.client("stepfunctions").describe_execution(
                executionArn=execution
            )
            return None if found["status"] == "RUNNING" else found

        ended = eventually(look, "the end of the execution")
        assert ended is not None
        return ended

    def executions(self, machine: str) -> list[str]:
        listed = self.client("stepfunctions").list_executions(stateMachineArn=machine)
        return [execution["executionArn"] for execution in listed["executions"]]

    def rule(self, pattern: dict[str, Any], target: dict[str, Any]) -> None:
        events = self.client("events")
        name = self.name()
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        failed = events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])
        assert failed["FailedEntryCount"] == 0
