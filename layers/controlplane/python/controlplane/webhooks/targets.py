"""Which addresses a webhook may have: nothing of ours, of the cloud's or of anybody's private network.

What stands in a URL is checked when it is written, for a clear answer. What decides is the check of the addresses that
its name has at the moment of delivery: a name can say something else later (DNS rebinding).
Ranges: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890), which `ipaddress` knows, but not all of them in
every release of Python; where releases differ, the range stands here.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from controlplane.errors import InvalidRequestError

PORTS = frozenset({443, 8443})
Address = IPv4Address | IPv6Address

# In each of these an IPv4 address may be hidden, or a gateway to one: none is needed to reach a public server.
_DISGUISES = tuple(
    IPv6Network(text)
    for text in (
        "::/96",  # IPv4-compatible, unspecified and loopback
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64 of a network of one's own
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)
_RESERVED = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments; some clouds' metadata
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, once
    IPv6Network("2001::/23"),  # protocol assignments
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    IPv6Network("5f00::/16"),  # segments within a network (RFC 9602)
)
_ISATAP = (0x00005EFE, 0x02005EFE)
_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # ASCII without blanks and backslash
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(
    r"0x[0-9a-f]*|[0-9]+"
)  # of which resolvers make IPv4 addresses, such as 0x7f.1


@dataclass(frozen=True)
class Target:
    """A URL, taken apart: where to connect, and what to ask for. `host` is a name or an address without brackets.

    `is_local` is a name of this machine, where that is allowed.
    """

    scheme: str
    host: str
    port: int
    resource: str
    is_local: bool = False

    @property
    def authority(self) -> str:
        """As the header `Host` names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


class RefusedTargetError(InvalidRequestError):
    """A webhook must not have this URL, or not this address."""

    code = "refused_target"


def parse_target(url: str, *, allow_loopback: bool = False) -> Target:
    """Take a URL apart that a webhook may have.

    `allow_loopback` is the embedded mode's: this machine's own addresses, over http as well and on any port.
    Raises RefusedTargetError.
    """
    if not _PRINTABLE.fullmatch(url):
        raise _refused(
            "the URL holds blanks, backslashes or characters outside of ASCII",
            "Percent-encode them; write an international name in its xn-- form.",
        )
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as malformed:
        raise _refused("the URL is malformed", "Send one like https://host/path.") from malformed
    local = allow_loopback and _is_loopback_name(host)
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise _refused("the URL is not https", "Use https: messages name what you have.")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise _refused(
            "the URL holds a user name or password",
            "Leave it out; messages are signed, and the signature proves who sent them.",
        )
    if parts.fragment or url.endswith("#"):
        raise _refused("the URL has a fragment", "Leave out what follows the #.")
    _check_host(host, bracketed="[" in parts.netloc, local=local)
    port = port if port is not None else (443 if parts.scheme == "https" else 80)
    if port not in PORTS and not (local and port):
        allowed = " or ".join(str(each) for each in sorted(PORTS))
        raise _refused(f"port {port} is not allowed", f"Serve it on port {allowed}.")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, resource, is_local=local)


def refusal_of(address: Address, *, allow_loopback: bool = False) -> str | None:
    """Why no message may go to this address; None if it may."""
    if allow_loopback and address.is_loopback:
        return None
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast or address.is_unspecified:
        return "no address of a host"
    if isinstance(address, IPv6Address):
        if any(address in network for network in _DISGUISES) or _is_isatap(address):
            return "an IPv6 address that stands for an IPv4 address"
        if not address.is_global:
            return "a private address"
    if address.is_reserved or any(address in network for network in _RESERVED):
        return "a reserved address"
    return None if address.is_global else "a private or shared address"


def shown_url(url: str) -> str:
    """The URL for eyes and logs: what is asked for behind the `?` may be a secret."""
    path, mark, _ = url.partition("?")
    return f"{path}?…" if mark else path


def _check_host(host: str, *, bracketed: bool, local: bool) -> None:
    if not host:
        raise _refused("the URL names no host", "Send one like https://host/path.")
    if host.endswith("."):
        raise _refused("the host ends in a dot", "Leave the last dot out.")
    address = _address(host)
    if address is not None:
        reason = refusal_of(address, allow_loopback=local)
        if reason:
            raise _refused(f"the host is {reason}", "Use a name that anybody can reach.")
        return
    labels = host.split(".")
    if bracketed or ":" in host or _NUMBER.fullmatch(labels[-1]):
        raise _refused("the host is no plain address", "Use a name, or four decimal numbers.")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("the host is no name", "Use a name as DNS knows it.")
    if not local and (len(labels) == 1 or labels[-1] in ("localhost", "local", "internal")):
        raise _refused(
            "the host is a name inside a network",
            "Use a name that anybody on the Internet can ask for.",
        )


def _is_loopback_name(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_isatap(address: IPv6Address) -> bool:
    """An interface identifier of RFC 5214, whose last four bytes are an IPv4 address."""
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP


def _address(host: str) -> Address | None:
    """None for a name, and for an address with a zone, which is one of this machine's networks."""
    if "%" in host:
        return None
    try:
        return ip_address(host)
    except ValueError:
        return None


def _refused(message: str, remedy: str) -> RefusedTargetError:
    return RefusedTargetError(message, remedy=remedy)
