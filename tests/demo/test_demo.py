"""The whole demo, as a newcomer runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.settings import PROJECT
from tests.stack.running import RunningStack

TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.")
# The promise of the demo, with looks every 5 s.
BREACH_TO_STABLE_SECONDS = 30
SIGNATURE = re.compile(r"X-Amz-(?:Signature|Credential|Security-Token)=", re.IGNORECASE)


def run_demo(stack: RunningStack) -> str:
    """What the demo prints; AssertionError when it fails."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEADRACE_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", "local", "--state", str(stack.settings.state), "demo"],
        cwd=PROJECT,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=420,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.mark.parametrize("time", ["first", "again"])
def test_the_demo_promotes_what_is_good_and_rolls_back_what_is_not(
    stack: RunningStack, time: str
) -> None:
    model = stack.caller().find("/projects/vision/models/digits")
    first_version = model["latest_version"] + 1 if model else 1

    output = run_demo(stack)

    good, failing, slow = first_version + 1, first_version + 2, first_version + 3
    for version in (first_version, good):
        assert f"version {version}: all " in output
    for percent in (10, 50, 100):
        assert f"{percent} % of the requests go to version {good}" in output
    assert ended_as(output, good)[0] == "Promoted"
    for version, code in ((failing, "ErrorRateHigher"), (slow, "LatencyHigher")):
        state, verdict, seconds = ended_as(output, version)
        assert (state, verdict) == ("RolledBack", code)
        assert seconds <= BREACH_TO_STABLE_SECONDS
        assert not re.search(
            rf"(?<!\d)(?!10 )\d+ % of the requests go to version {version}\b", output
        )
        assert f"version {version}, evidence: GET /api/v1/projects/vision/" in output
    assert f"vision--digits--v{first_version} went after its grace time" in output
    deployment = stack.caller().get("/projects/vision/deployments/digits")
    assert (deployment["stable"]["version"], deployment["status"]) == (good, "Ready")
    assert_tells_no_secret(stack, "what the demo printed", output)
    for file in log_files(stack):
        assert_tells_no_secret(stack, str(file), file.read_text(errors="replace"))
    for group, messages in function_logs(stack).items():
        assert_tells_no_secret(stack, group, messages)


def ended_as(output: str, version: int) -> tuple[str, str, float]:
    """State, verdict and seconds from the look that saw the breach, of a version's line in the table."""
    [cells] = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in output.splitlines()
        if re.match(rf"│ {version} +│ [A-Z]", line)
    ]
    seconds = 0.0 if cells[4] == "-" else float(cells[4].removesuffix(" s"))
    return cells[1], cells[2], seconds


def log_files(stack: RunningStack) -> list[Path]:
    files = sorted(stack.settings.logs.rglob("*.log"))
    names = {file.name for file in files}
    assert {"cloud.log", "kubernetes.log", "controller.log", "gateway.log"} <= names
    return files


def function_logs(stack: RunningStack) -> dict[str, str]:
    """What the functions wrote to CloudWatch, by log group."""
    logs = stack.aws("logs")
    groups = [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
    pages = logs.get_paginator("filter_log_events")
    found = {
        group: "\n".join(
            event["message"]
            for page in pages.paginate(logGroupName=group)
            for event in page["events"]
        )
        for group in groups
    }
    written = {group for group, text in found.items() if text}
    for function in ("IssueClaims", "Registry/Api", "OpenRollout", "AdvanceRollout"):
        assert any(function in group for group in written), f"{function} logged nothing"
    return found


def assert_tells_no_secret(stack: RunningStack, where: str, text: str) -> None:
    for user in stack.described["users"]:
        assert user["password"] not in text, f"{where} holds a password of {user['username']}"
    for what, pattern in (("token", TOKEN), ("signature", SIGNATURE)):
        found = pattern.search(text)
        assert found is None, f"{where} holds a {what}: {_line_of(text, found.start())}"


def _line_of(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    return text[start : text.find("\n", position)][:300]
