"""State machines: their definitions against the code that they call and the errors it raises."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk.paths import Sources
from controlplane import errors
from tests.infrastructure.assembly import Assembly

DEFINITIONS = sorted(Sources().statemachines.glob("*.asl.json"))


@pytest.fixture(params=DEFINITIONS, ids=lambda path: path.name)
def definition(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states, those inside Map and Parallel included."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [state.get("ItemProcessor"), *state.get("Branches", [])]:
            if inner:
                yield from states(inner)


def test_every_definition_is_deployed_and_every_machine_has_one(assembly: Assembly) -> None:
    machines = assembly.resources("AWS::StepFunctions::StateMachine")

    assert len(DEFINITIONS) == len(machines) == 6


def test_a_definition_uses_jsonata_throughout(definition: Path) -> None:
    machine = json.loads(definition.read_text())

    assert machine["QueryLanguage"] == "JSONata"
    assert not [n for n, s in states(machine) if s.get("QueryLanguage", "JSONata") != "JSONata"]


def test_retries_and_catches_name_errors_that_exist(definition: Path) -> None:
    machine = json.loads(definition.read_text())
    named = {
        error
        for _, state in states(machine)
        for rule in [*state.get("Retry", []), *state.get("Catch", [])]
        for error in rule["ErrorEquals"]
    }
    theirs = ("States.", "Lambda.", "Sandbox.", "Runtime.")
    ours = {error for error in named if not error.startswith(theirs)}

    assert named
    for error in ours:
        assert issubclass(getattr(errors, error, type(None)), errors.HeadraceError), error


def test_every_task_can_be_called(definition: Path, assembly: Assembly) -> None:
    text = definition.read_text()
    named = set(re.findall(r"\$\{(\w+)\}", text))
    name = "".join(word.capitalize() for word in definition.name.split(".")[0].split("_"))
    (machine,) = [
        r
        for r in assembly.resources("AWS::StepFunctions::StateMachine")
        if r.id.startswith(f"{name}StateMachine")
    ]
    role = machine.properties["RoleArn"]["Fn::GetAtt"][0]
    (allowed,) = [
        s.resources
        for s in assembly.statements_of(f"{machine.stack}/{role[:-8]}")
        if s.actions == ["lambda:InvokeFunction"]
    ]

    assert set(machine.properties["DefinitionSubstitutions"]) == named
    assert len(allowed) == len(named)
    for task, function in machine.properties["DefinitionSubstitutions"].items():
        assert function in allowed, task


def test_machines_are_standard_traced_and_log_everything_but_payloads(assembly: Assembly) -> None:
    for machine in assembly.resources("AWS::StepFunctions::StateMachine"):
        assert machine.properties["StateMachineType"] == "STANDARD"
        assert machine.properties["TracingConfiguration"] == {"Enabled": True}
        assert machine.properties["LoggingConfiguration"]["Level"] == "ALL"
        assert machine.properties["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_tasks_of_a_rollout_outlive_a_function_that_is_slow_or_dies() -> None:
    """Three times: a call that hangs must not end a rollout, and one that always dies must not hold it up."""
    machine = json.loads((Sources().statemachines / "model_rollout.asl.json").read_text())
    tasks = {
        name: state
        for name, state in states(machine)
        if state["Type"] == "Task" and "waitForTaskToken" not in state["Resource"]
    }

    assert set(tasks) >= {"CheckRollout", "PrepareRevision", "AdvanceRollout", "FinishRollout"}
    for name, state in tasks.items():
        for error in ("Sandbox.Timedout", "Lambda.Unknown", "Runtime.ExitError"):
            [rule] = [rule for rule in state["Retry"] if error in rule["ErrorEquals"]]
            assert rule["MaxAttempts"] == 3, (name, error)


def test_the_output_of_a_rollout_has_what_its_last_task_tells() -> None:
    """Whatever the way to the end: a variable that is not set would end the execution as failed."""
    machine = json.loads((Sources().statemachines / "model_rollout.asl.json").read_text())["States"]

    told = ["version", "state", "reason", "rolled_back_seconds"]
    assert list(machine["OpenRollout"]["Assign"]["outcome"]) == told
    for state in ("WriteEvidence", "TellOutcome"):
        assert machine[state]["Assign"] == {"outcome": "{% $states.result %}"}
    assert "$outcome" in machine["RolloutEnded"]["Output"]


def test_a_rollout_whose_evidence_cannot_be_written_tells_its_outcome_all_the_same() -> None:
    """Whatever the function dies of: it is asked again, for what needs no bundle."""
    machine = json.loads((Sources().statemachines / "model_rollout.asl.json").read_text())["States"]

    [caught] = machine["WriteEvidence"]["Catch"]
    assert caught == {"ErrorEquals": ["States.ALL"], "Next": "TellOutcome"}
    told = machine["TellOutcome"]
    assert told["Resource"] == machine["WriteEvidence"]["Resource"]
    assert "'bundle': false" in told["Arguments"]
    assert told["Next"] == told["Catch"][0]["Next"] == "RetireRevision"


@pytest.mark.parametrize("module", ["write_evidence", "record_ended_execution"])
def test_what_makes_the_evidence_of_the_longest_rollout_has_room_and_time(
    assembly: Assembly, module: str
) -> None:
    """50,000 ticks of twelve checks each: a document of 200 MB, 1.2 GB while it is made."""
    [function] = [
        function.properties
        for function in assembly.resources("AWS::Lambda::Function")
        if function.properties.get("Description") == f"functions/serving/{module}.py"
    ]
    assert function["MemorySize"] >= 1769
    assert function["Timeout"] >= 300
