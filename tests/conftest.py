"""What all tests have in common."""

import os

from hypothesis import settings

pytest_plugins = ["tests.stack.fixtures"]

# A machine that judges a change must come to the same verdict twice; at a desk new examples are welcome.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
