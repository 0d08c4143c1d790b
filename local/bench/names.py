"""Names of the many things that lie beside what is asked for."""

from local.bench import entities

# Deployments that are told something, which can be told it once, by what it is; each with its rollout.
COMMANDS = ("pause", "resume", "promote", "abort", "approve")
SWITCHES = ("stop", "start")


def numbered(kind: str, number: int) -> str:
    """The name of the numbered thing of a kind."""
    return f"{_PREFIXES[kind]}{number:06d}"


_PREFIXES = {
    "tenant": "t",
    "suspended": "u",
    "project": "p",
    "model": "m",
    "signing key": "y",
    "upload": "u-1",
    "deployment": "d",
    "person": "s",
    "locked": "l",
    "machine": "c",
    "webhook": "w",
    "policy": "o",
    "tier": "i",
    "mapped tier": "h",
    "group": "g",
    "pause": "ca",
    "resume": "cb",
    "promote": "cc",
    "abort": "cd",
    "approve": "ce",
    "stop": "cf",
    "start": "cg",
}


def numbered_version(number: int) -> int:
    return entities.VERSION + 1 + number


def numbered_key(number: int) -> str:
    return f"k{number:012x}"


def unused_key(number: int) -> str:
    """A key that nobody has exchanged yet."""
    return f"kf{number:011x}"
