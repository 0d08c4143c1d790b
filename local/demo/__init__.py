"""The demo: two classifiers are trained, uploaded and served through the public interfaces alone."""

from rich.console import Console

from local.demo.errors import DemoError
from local.demo.story import Story
from local.settings import Settings

__all__ = ["DemoError", "run"]


def run(settings: Settings, console: Console) -> None:
    """Start the stack and tell the story on the console. Raises DemoError when something is not as it should be."""
    Story(settings, console).tell()
