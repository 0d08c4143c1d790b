"""What all tests have in common."""

import os
from typing import Any

import pytest
from hypothesis import settings

from tests import counts

pytest_plugins = ["tests.stack.fixtures"]

# How long an example takes says something about the machine: timings live in benchmarks. A machine that judges a change
# must come to the same verdict twice; at a desk new examples are welcome.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With several workers each tells the one that prints what it has counted."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counted"] = counts.counted()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for what, times in getattr(node, "workeroutput", {}).get("counted", {}).items():
        counts.count(what, times)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what generated tests counted."""
    if lines := counts.lines():
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)
