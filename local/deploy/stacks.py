"""Creating and updating CloudFormation stacks, with failures that a person can read."""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local.deploy.assembly import StackArtifact
from local.deploy.clients import REGION, EmbeddedCloud

DEADLINE = 300.0  # seconds for one stack
POLL = 0.1  # seconds between two questions about a stack's status
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

# A first creation that failed leaves a stack that can only be deleted.
UNUSABLE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}


class DeploymentError(Exception):
    """A stack did not reach its goal; the message names the resources and their reasons."""


def deploy_stack(cloud: EmbeddedCloud, stack: StackArtifact) -> bool:
    """Create or update a stack and wait for it; False when there was nothing to change."""
    cloudformation = cloud.client("cloudformation")
    status = _status(cloudformation, stack.name)
    if status in UNUSABLE:
        cloudformation.delete_stack(StackName=stack.name)
        _wait(cloudformation, stack.name)
        status = None
    request = {
        "StackName": stack.name,
        "TemplateURL": _https_url(cloud, stack),
        "Capabilities": CAPABILITIES,
    }
    if status is not None and status.endswith("_IN_PROGRESS"):
        _wait(cloudformation, stack.name)
    begin = cloudformation.create_stack if status is None else cloudformation.update_stack
    if not _begin(begin, request):
        return False
    reached = _wait(cloudformation, stack.name)
    if reached not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise DeploymentError(
            f"stack {stack.name} ended as {reached}: {_reasons(cloudformation, stack.name)}"
        )
    return True


def outputs(cloud: EmbeddedCloud, stack: StackArtifact) -> dict[str, str]:
    described = cloud.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"][0]
    return {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}


def physical_names(cloud: EmbeddedCloud, stack: StackArtifact) -> dict[str, str]:
    """Logical id → physical id of every resource of a stack."""
    described = cloud.client("cloudformation").describe_stack_resources(StackName=stack.name)
    return {
        item["LogicalResourceId"]: item["PhysicalResourceId"]
        for item in described["StackResources"]
        if item.get("PhysicalResourceId")
    }


def _https_url(cloud: EmbeddedCloud, stack: StackArtifact) -> str:
    return f"{cloud.endpoint}/{stack.template_url.removeprefix('s3://')}".replace(
        "${AWS::Region}", REGION
    )


def _begin(operation: Callable[..., Any], request: dict[str, Any]) -> bool:
    try:
        operation(**request)
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        if "No updates are to be performed" in message:
            return False
        raise DeploymentError(
            f"stack {request['StackName']} was refused: {message}. Resources that the embedded "
            "cloud does not know belong into stacks that only AWS gets"
            if "Unrecognized resource types" in message
            else f"stack {request['StackName']} was refused: {message}"
        ) from error
    return True


def _status(cloudformation: Any, name: str) -> str | None:
    try:
        described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise
    status: str = described["StackStatus"]
    return None if status == "DELETE_COMPLETE" else status


def _wait(cloudformation: Any, name: str) -> str | None:
    deadline = time.monotonic() + DEADLINE
    while True:
        status = _status(cloudformation, name)
        if status is None or not status.endswith("_IN_PROGRESS"):
            return status
        if time.monotonic() > deadline:
            raise DeploymentError(f"stack {name} is still {status} after {DEADLINE:.0f} s")
        time.sleep(POLL)


def _reasons(cloudformation: Any, name: str) -> str:
    failed = [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): "
        f"{event.get('ResourceStatusReason', event['ResourceStatus'])}"
        for event in _events_of_last_attempt(cloudformation, name)
        if event["ResourceStatus"].endswith("_FAILED")
    ]
    return "; ".join(dict.fromkeys(failed)) or "no reason was given"


def _events_of_last_attempt(cloudformation: Any, name: str) -> list[dict[str, Any]]:
    """The stack's events, oldest first, since it was last told to create or update itself."""
    recent: list[dict[str, Any]] = []
    for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
        recent.append(event)
        begun = event["ResourceStatus"] in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}
        if begun and event["LogicalResourceId"] == name:
            break
    return recent[::-1]
