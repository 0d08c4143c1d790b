"""Time limits of tasks, and waits that a token ends, as a rollout's state machine relies on them."""

import json
import threading
import time
from typing import Any

import pytest

from tests.local.cloud.deployed import Account
from tests.waiting import eventually

# Leaves its task token in the bucket `tokens`, under the name that it is given.
ASKING = """
import boto3

class RolloutNotActiveError(Exception):
    pass

def handle(event, context):
    if event.get("refuse"):
        raise RolloutNotActiveError("it has ended")
    boto3.client("s3").put_object(Bucket="tokens", Key=event["name"], Body=event["token"].encode())
"""
SLEEPING = """
import time

def handle(event, context):
    time.sleep(event["seconds"])
    return "awake"
"""
ENDS = {
    "Done": {"Type": "Succeed", "Output": {"answer": "{% $answer %}"}},
    "Late": {"Type": "Succeed", "Output": "late"},
    "Silent": {"Type": "Succeed", "Output": "silent"},
    "Refused": {"Type": "Succeed", "Output": {"refused": "{% $why %}"}},
}
CATCH = [
    {"ErrorEquals": ["States.Timeout"], "Next": "Late"},
    {"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Silent"},
    {
        "ErrorEquals": ["States.ALL"],
        "Assign": {"why": "{% $states.errorOutput.Error %}"},
        "Next": "Refused",
    },
]


def waiting_machine(account: Account, **limits: Any) -> str:
    """A machine that waits for its token within limits that its input computes."""
    account.client("s3").create_bucket(Bucket="tokens")
    payload = {
        "name": "{% $states.input.name %}",
        "refuse": "{% $states.input.refuse %}",
        "token": "{% $states.context.Task.Token %}",
    }
    wait = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {"FunctionName": account.function(ASKING), "Payload": payload},
        "Assign": {"answer": "{% $states.result %}"},
        "Catch": CATCH,
        "Next": "Done",
        **limits,
    }
    return account.machine({"Wait": wait, **ENDS}, "Wait")


def start(account: Account, machine: str, **state: Any) -> tuple[str, str]:
    """A started execution, and the name under which its token will lie."""
    name = account.name()
    started = account.client("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps({"name": name, "refuse": False, **state})
    )
    return started["executionArn"], name


def token(account: Account, name: str) -> str:
    s3 = account.client("s3")

    def look() -> bytes | None:
        try:
            return bytes(s3.get_object(Bucket="tokens", Key=name)["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None

    return eventually(look, "the token").decode()


def outcome(ended: dict[str, Any]) -> Any:
    assert ended["status"] == "SUCCEEDED", ended
    return json.loads(ended["output"])


def test_a_wait_of_computed_seconds_ends_by_itself(account: Account) -> None:
    machine = waiting_machine(account, TimeoutSeconds="{% $states.input.seconds %}")
    execution, _ = start(account, machine, seconds=1)

    assert outcome(account.ended(execution)) == "late"


def test_a_wait_of_computed_seconds_is_woken_by_an_answer(account: Account) -> None:
    machine = waiting_machine(account, TimeoutSeconds="{% $states.input.seconds %}")
    execution, name = start(account, machine, seconds=3600)

    account.client("stepfunctions").send_task_success(
        taskToken=token(account, name), output='{"command": "Promote"}'
    )

    assert outcome(account.ended(execution)) == {"answer": {"command": "Promote"}}


def test_a_wait_is_ended_by_a_failure_that_is_caught_under_its_name(account: Account) -> None:
    machine = waiting_machine(account, TimeoutSeconds="{% $states.input.seconds %}")
    execution, name = start(account, machine, seconds=3600)

    account.client("stepfunctions").send_task_failure(
        taskToken=token(account, name), error="RolloutAbortedError", cause="by hand"
    )

    assert outcome(account.ended(execution)) == {"refused": "RolloutAbortedError"}


def test_a_function_that_fails_ends_the_wait_for_its_answer(account: Account) -> None:
    machine = waiting_machine(account, TimeoutSeconds="{% $states.input.seconds %}")
    execution, _ = start(account, machine, seconds=3600, refuse=True)

    assert outcome(account.ended(execution)) == {"refused": "RolloutNotActiveError"}


def test_a_wait_without_heartbeats_ends_before_its_time(account: Account) -> None:
    machine = waiting_machine(account, TimeoutSeconds=3600, HeartbeatSeconds="{% 0 + 1 %}")
    execution, _ = start(account, machine)

    assert outcome(account.ended(execution)) == "silent"


def test_heartbeats_keep_a_wait_alive(account: Account) -> None:
    machine = waiting_machine(account, TimeoutSeconds=3600, HeartbeatSeconds=2)
    execution, name = start(account, machine)
    workflow, handle = account.client("stepfunctions"), token(account, name)
    beating = threading.Event()

    def beat() -> None:
        while not beating.wait(0.3):
            workflow.send_task_heartbeat(taskToken=handle)

    began = time.monotonic()
    heart = threading.Thread(target=beat)
    heart.start()
    try:
        eventually(lambda: time.monotonic() - began > 4, "twice the heartbeat's time")
        assert workflow.describe_execution(executionArn=execution)["status"] == "RUNNING"
    finally:
        beating.set()
        heart.join()

    assert outcome(account.ended(execution)) == "silent"


@pytest.mark.parametrize("seconds", [0, 1.5, "soon"])
def test_a_limit_that_is_no_positive_integer_fails_as_on_aws(
    account: Account, seconds: object
) -> None:
    machine = waiting_machine(account, TimeoutSeconds="{% $states.input.seconds %}")
    execution, _ = start(account, machine, seconds=seconds)

    assert outcome(account.ended(execution)) == {"refused": "States.QueryEvaluationError"}


@pytest.mark.parametrize(("seconds", "answer"), [(1, "late"), (20, {"answer": "awake"})])
def test_a_plain_task_has_a_computed_limit(account: Account, seconds: int, answer: object) -> None:
    task = {
        "Type": "Task",
        "Resource": account.function(SLEEPING),
        "Arguments": {"seconds": 3},
        "TimeoutSeconds": "{% $states.input.seconds %}",
        "Assign": {"answer": "{% $states.result %}"},
        "Catch": CATCH,
        "Next": "Done",
    }
    machine = account.machine({"Sleep": task, **ENDS}, "Sleep")

    assert outcome(account.run(machine, {"seconds": seconds})) == answer
