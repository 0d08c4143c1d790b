"""Executions of the state machines, as Step Functions tells of them."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.stack.caller import Json
from tests.waiting import eventually


@dataclass(frozen=True)
class Executions:
    """Those of one state machine."""

    client: Any
    machine: str
    _inputs: dict[str, Json] = field(default_factory=dict, repr=False)  # they never change

    def inputs(self) -> dict[str, Json]:
        """The input of each execution by its ARN, the newest first."""
        listed = self.client.list_executions(stateMachineArn=self.machine, maxResults=1000)
        newest_first = sorted(
            listed["executions"], key=lambda entry: entry["startDate"], reverse=True
        )
        return {arn: self._input(arn) for arn in (each["executionArn"] for each in newest_first)}

    def started_by_key(self, key: str) -> tuple[str, Json]:
        """The newest execution that S3's event about that object started: its ARN and the event."""

        def look() -> tuple[str, Json] | None:
            found = (
                (arn, event)
                for arn, event in self.inputs().items()
                if event["detail"]["object"]["key"] == key
            )
            return next(found, None)

        return eventually(look, f"an execution for {key}")

    def started_by_project(self, project: str) -> list[tuple[str, Json]]:
        """The executions that an event of the project started, the newest first."""
        return [
            (arn, event)
            for arn, event in self.inputs().items()
            if event["detail"]["data"]["project"] == project
        ]

    def start(self, event: Json) -> str:
        """Start one more execution with that input; its ARN."""
        started = self.client.start_execution(
            stateMachineArn=self.machine, name=f"test-{uuid4()}", input=json.dumps(event)
        )
        return str(started["executionArn"])

    def ended(self, arn: str, seconds: float = 30) -> Json:
        """The execution when it has ended; `output` is parsed."""

        def look() -> Json | None:
            found: Json = self.client.describe_execution(executionArn=arn)
            return None if found["status"] == "RUNNING" else found

        found = eventually(look, f"the end of {arn}", seconds)
        return found | {"output": json.loads(found.get("output") or "null")}

    def abort(self, arn: str) -> None:
        self.client.stop_execution(executionArn=arn)

    def states(self, arn: str) -> list[str]:
        """The states that the execution has entered so far."""
        entered = (event.get("stateEnteredEventDetails") for event in self._history(arn))
        return [detail["name"] for detail in entered if detail]

    def errors(self, arn: str) -> list[str]:
        """The names of the errors that the execution's tasks met so far, caught and retried ones too."""
        names = []
        for event in self._history(arn):
            details = [value for name, value in event.items() if name.endswith("EventDetails")]
            names += [detail["error"] for detail in details if detail.get("error")]
        return names

    def _input(self, arn: str) -> Json:
        if arn not in self._inputs:
            described = self.client.describe_execution(executionArn=arn)
            self._inputs[arn] = json.loads(described["input"])
        return self._inputs[arn]

    def _history(self, arn: str) -> list[Json]:
        return list(self.client.get_execution_history(executionArn=arn, maxResults=1000)["events"])
