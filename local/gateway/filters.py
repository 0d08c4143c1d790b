"""HTTPRoute filters as plain data, read once when the routing table is compiled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from local.gateway.paths import replace_prefix

DEFAULT_PORTS = {"http": 80, "https": 443}


class FilterInvalidError(ValueError):
    """A filter cannot be programmed; `reason` is the condition reason, the message says why."""

    def __init__(self, message: str, reason: str = "UnsupportedValue") -> None:
        super().__init__(message)
        self.reason = reason


class HeaderFields(Protocol):
    """A case-insensitive multi-map of header fields, such as multidict.CIMultiDict."""

    def __setitem__(self, key: str, value: str) -> None: ...
    def add(self, key: str, value: str) -> None:
        """Append a field."""

    def popall(self, key: str, default: None) -> object:
        """Take all fields of a name away."""


@dataclass(frozen=True, slots=True)
class HeaderModifier:
    """Set, add and remove header fields."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def apply(self, headers: HeaderFields) -> None:
        """Change `headers` in place; names are compared without case."""
        for name in self.remove:
            headers.popall(name, None)
        for name, value in self.set:
            headers[name] = value
        for name, value in self.add:
            headers.add(name, value)

    def value_set(self, name: str) -> str:
        """Return the value that this filter gives the field `name`, or nothing."""
        return next((value for field, value in self.set if field.lower() == name), "")


@dataclass(frozen=True, slots=True)
class PathModifier:
    """Replace a whole path, or the prefix that the match found."""

    replacement: str
    whole: bool

    def apply(self, path: str, matched_prefix: str) -> str:
        """Return the new path."""
        if self.whole:
            return self.replacement or "/"
        return replace_prefix(path, matched_prefix, self.replacement)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """URLRewrite: the path and host under which the backend sees the request."""

    path: PathModifier | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """RequestRedirect: the answer is a Location, no backend is asked."""

    scheme: str | None = None
    hostname: str | None = None
    port: int | None = None
    path: PathModifier | None = None
    status: int = 302

    def location(
        self, *, scheme: str, host: str, port: int, path: str, query: str, matched_prefix: str
    ) -> str:
        """Return the absolute URL; `scheme` and `port` are the listener's, `host` the request's.

        Without a port in the filter, a scheme in the filter implies its own port, else the
        listener's holds; a scheme's own port is left out.
        """
        target_scheme = self.scheme or scheme
        target_port = self.port or (DEFAULT_PORTS[self.scheme] if self.scheme else port)
        authority = self.hostname or host
        if target_port != DEFAULT_PORTS[target_scheme]:
            authority += f":{target_port}"
        target_path = self.path.apply(path, matched_prefix) if self.path else path
        return f"{target_scheme}://{authority}{target_path}" + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class MirrorFilter:
    """RequestMirror: whom to send a copy, for `numerator` of `denominator` requests."""

    backend_ref: Mapping[str, Any]
    numerator: int = 1
    denominator: int = 1


@dataclass(frozen=True, slots=True)
class Filters:
    """All filters of one rule or of one backendRef."""

    request_headers: HeaderModifier | None = None
    response_headers: HeaderModifier | None = None
    rewrite: Rewrite | None = None
    redirect: Redirect | None = None
    mirrors: tuple[MirrorFilter, ...] = ()


NO_FILTERS = Filters()


def parse_rule_filters(entries: Iterable[Mapping[str, Any]]) -> Filters:
    """Read `rules[].filters`; raise FilterInvalidError for what cannot be programmed."""
    filters = NO_FILTERS
    for entry in entries:
        filters = _add_filter(filters, entry)
    if filters.rewrite and filters.redirect:
        raise FilterInvalidError(
            "a rule has either a URLRewrite or a RequestRedirect filter", "IncompatibleFilters"
        )
    return filters


def parse_backend_filters(entries: Iterable[Mapping[str, Any]]) -> Filters:
    """Read `backendRefs[].filters`: header modifiers; raise FilterInvalidError for any other."""
    filters = NO_FILTERS
    for entry in entries:
        if entry["type"] not in {"RequestHeaderModifier", "ResponseHeaderModifier"}:
            raise FilterInvalidError(
                f"{entry['type']} is not supported on a backendRef; put it on the rule"
            )
        filters = _add_filter(filters, entry)
    return filters


def _add_filter(filters: Filters, entry: Mapping[str, Any]) -> Filters:
    match entry["type"]:
        case "RequestHeaderModifier":
            modifier = _header_modifier(entry.get("requestHeaderModifier") or {})
            return replace(filters, request_headers=modifier)
        case "ResponseHeaderModifier":
            modifier = _header_modifier(entry.get("responseHeaderModifier") or {})
            return replace(filters, response_headers=modifier)
        case "URLRewrite":
            return replace(filters, rewrite=_rewrite(entry.get("urlRewrite") or {}))
        case "RequestRedirect":
            return replace(filters, redirect=_redirect(entry.get("requestRedirect") or {}))
        case "RequestMirror":
            return replace(filters, mirrors=(*filters.mirrors, _mirror(entry["requestMirror"])))
        case unsupported:
            raise FilterInvalidError(f"filter type {unsupported} is not supported")


def _header_modifier(entry: Mapping[str, Any]) -> HeaderModifier:
    return HeaderModifier(
        set=tuple((field["name"], field["value"]) for field in entry.get("set") or ()),
        add=tuple((field["name"], field["value"]) for field in entry.get("add") or ()),
        remove=tuple(entry.get("remove") or ()),
    )


def _path_modifier(entry: Mapping[str, Any] | None) -> PathModifier | None:
    if not entry:
        return None
    if entry["type"] == "ReplaceFullPath":
        return PathModifier(entry.get("replaceFullPath") or "", whole=True)
    if entry["type"] == "ReplacePrefixMatch":
        return PathModifier(entry.get("replacePrefixMatch") or "", whole=False)
    raise FilterInvalidError(f"path modifier type {entry['type']!r} is not supported")


def _rewrite(entry: Mapping[str, Any]) -> Rewrite:
    return Rewrite(path=_path_modifier(entry.get("path")), hostname=entry.get("hostname"))


def _redirect(entry: Mapping[str, Any]) -> Redirect:
    return Redirect(
        scheme=entry.get("scheme"),
        hostname=entry.get("hostname"),
        port=entry.get("port"),
        path=_path_modifier(entry.get("path")),
        status=entry.get("statusCode", 302),
    )


def _mirror(entry: Mapping[str, Any]) -> MirrorFilter:
    fraction = entry.get("fraction")
    if fraction:
        denominator = fraction.get("denominator", 100)
        return MirrorFilter(entry["backendRef"], fraction["numerator"], denominator)
    if entry.get("percent") is not None:
        return MirrorFilter(entry["backendRef"], entry["percent"], 100)
    return MirrorFilter(entry["backendRef"])
