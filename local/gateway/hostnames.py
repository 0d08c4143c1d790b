"""Hostnames of listeners and routes: wildcards, intersections, and the host of a request."""

from collections.abc import Iterable, Iterator

ANY_HOST = "*"


def host_of(authority: str) -> str:
    """Return the host of a Host header without its port, lower-case."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()


def candidates_for(host: str) -> Iterator[str]:
    """Yield the hostnames under which routes for `host` may stand, the most specific first."""
    yield host
    rest = host
    while (dot := rest.find(".")) >= 0:
        yield "*" + rest[dot:]
        rest = rest[dot + 1 :]
    yield ANY_HOST


def intersect(listener: str, hostnames: Iterable[str]) -> tuple[str, ...]:
    """Return the hostnames that a listener and a route have in common.

    A listener or a route without hostnames (`*`, or none) takes any. `*.example.com` stands for
    one or more labels before `.example.com`, never for `example.com` itself.
    """
    wanted = tuple(dict.fromkeys(name.lower() for name in hostnames)) or (ANY_HOST,)
    common = (_narrower(listener.lower(), name) for name in wanted)
    return tuple(dict.fromkeys(name for name in common if name is not None))


def _narrower(one: str, other: str) -> str | None:
    if _covers(one, other):
        return other
    return one if _covers(other, one) else None


def _covers(pattern: str, name: str) -> bool:
    if pattern in {ANY_HOST, name}:
        return True
    return pattern.startswith("*.") and name.lstrip("*").endswith(pattern[1:])
