"""What all tests have in common."""

import os

import pytest
from hypothesis import settings

from tests import counts

pytest_plugins = ["tests.stack.fixtures"]

# A machine that judges a change must come to the same verdict twice; at a desk new examples are welcome.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what generated tests counted."""
    if lines := counts.lines():
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)
