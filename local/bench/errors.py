"""What can go wrong with a measurement."""


class BenchError(Exception):
    """A figure could not be measured; the message says why and, where one can, what to do."""
