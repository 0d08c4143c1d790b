"""Request paths: their normal form, their prefixes and the replacement of one.

The rules are those of the Gateway API's HTTPRoute: prefixes match whole path segments, and a
trailing slash of a prefix means nothing.
"""

import re
from collections.abc import Iterator

_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normalise_path(path: str) -> str:
    """Return the equivalent of `path` (RFC 3986, 6.2.2) that routes are matched against.

    Percent-encoded unreserved characters are decoded and dot segments resolved, so that
    `/serving/a/../b` cannot pass the match of `/serving/a` and reach `/serving/b` behind it.
    An encoded slash stays encoded and separates nothing.
    """
    if "%" in path:
        path = _PERCENT.sub(_decode_unreserved, path)
    if "/." in path:
        path = _resolve_dot_segments(path)
    return path


def _decode_unreserved(encoded: re.Match[str]) -> str:
    character = chr(int(encoded[0][1:], 16))
    return character if character in _UNRESERVED else encoded[0].upper()


def _resolve_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment not in {".", ".."}:
            kept.append(segment)
            continue
        if segment == ".." and kept:
            kept.pop()
        if last:
            kept.append("")
    return "/" + "/".join(kept)


def canonical_prefix(prefix: str) -> str:
    """Return the form in which equal prefixes are equal strings: `/foo/` is `/foo`, `/` is ``."""
    return prefix.rstrip("/")


def prefixes_of(path: str) -> Iterator[str]:
    """Yield every canonical prefix that matches `path`, the longest first."""
    end = len(path)
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)
    yield ""


def matches_prefix(path: str, prefix: str) -> bool:
    """Say whether `path` lies under `prefix`, by whole segments."""
    stem = canonical_prefix(prefix)
    return path.startswith(stem) and (len(path) == len(stem) or path[len(stem)] == "/")


def replace_prefix(path: str, prefix: str, replacement: str) -> str:
    """Replace the matched `prefix` of `path` as ReplacePrefixMatch says.

    `/foo/bar` with `/foo` replaced by `/xyz` or `/xyz/` is `/xyz/bar`; by `/` or nothing it is
    `/bar`; an empty result becomes `/`.
    """
    rest = path[len(canonical_prefix(prefix)) :]
    return replacement.rstrip("/") + rest or "/"
