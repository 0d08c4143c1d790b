"""What can go wrong in the demo."""


class DemoError(Exception):
    """Something is not as it should be; the message says what was seen."""
