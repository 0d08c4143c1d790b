"""Addresses that no message goes to, in every form in which they can be written."""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controlplane.webhooks.targets import (
    RefusedTargetError,
    parse_target,
    refusal_of,
    shown_url,
)

# Where nothing of ours, of the cloud's or of a private network may be asked, by the registries of IANA.
FORBIDDEN_IPV4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
    )
]
FORBIDDEN_IPV6 = [
    IPv6Network(text)
    for text in (
        "::/128",
        "::1/128",
        "fc00::/7",
        "fd00:ec2::254/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "100::/64",
        "2001:db8::/32",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
        "2002::/16",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
    )
]


def within(networks: Sequence[IPv4Network | IPv6Network]) -> st.SearchStrategy[int]:
    def numbers(network: IPv4Network | IPv6Network) -> st.SearchStrategy[int]:
        return st.integers(int(network.network_address), int(network.broadcast_address))

    return st.sampled_from(networks).flatmap(numbers)


ipv4_everywhere = st.integers(0, 2**32 - 1)
hidings: list[Callable[[int], int]] = [
    lambda v4: v4,  # IPv4-compatible
    lambda v4: 0xFFFF_0000_0000 | v4,  # mapped
    lambda v4: 0xFFFF_0000_0000_0000 | v4,  # translated
    lambda v4: (0x64_FF9B << 96) | v4,  # NAT64
    lambda v4: (0x64_FF9B_0001 << 80) | v4,  # NAT64 of one's own
    lambda v4: (0x2002 << 112) | (v4 << 80) | 1,  # 6to4
    lambda v4: (0x2001 << 112) | (v4 ^ 0xFFFF_FFFF),  # Teredo
    lambda v4: (0x2A00_1450 << 96) | (0x0000_5EFE << 32) | v4,  # ISATAP below a public prefix
]


@given(within(FORBIDDEN_IPV4))
@example(int(IPv4Address("192.0.0.9")))  # `ipaddress` of some releases takes it for a public one
@example(int(IPv4Address("192.0.0.192")))  # metadata of a cloud
def test_no_ipv4_address_of_a_special_range_is_a_target(number: int) -> None:
    address = IPv4Address(number)
    assert refusal_of(address) is not None
    with pytest.raises(RefusedTargetError):
        parse_target(f"https://{address}/")


@given(within(FORBIDDEN_IPV6))
@example(int(IPv6Address("2001:1::1")))
@example(int(IPv6Address("3fff::1")))
def test_no_ipv6_address_of_a_special_range_is_a_target(number: int) -> None:
    address = IPv6Address(number)
    assert refusal_of(address) is not None
    with pytest.raises(RefusedTargetError):
        parse_target(f"https://[{address}]/")


@given(ipv4_everywhere, st.sampled_from(hidings))
def test_no_ipv6_address_that_hides_an_ipv4_address_is_a_target(
    v4: int, hide: Callable[[int], int]
) -> None:
    address = IPv6Address(hide(v4))
    assert refusal_of(address) is not None
    for text in (str(address), address.exploded, str(address).upper()):
        with pytest.raises(RefusedTargetError):
            parse_target(f"https://[{text}]/")


@given(within(FORBIDDEN_IPV4), st.integers(0, 6))
def test_no_other_spelling_of_an_ipv4_address_is_a_host(number: int, form: int) -> None:
    """What `inet_aton` would take: whole numbers, hexadecimal, octal, fewer parts, leading zeros."""
    a, b, c, d = IPv4Address(number).packed
    spelling = [
        str(number),
        hex(number),
        f"0{number:o}",
        f"{a}.{(b << 16) | (c << 8) | d}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:03o}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d}.",
    ][form]
    with pytest.raises(RefusedTargetError):
        parse_target(f"https://{spelling}/")


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_public_addresses_are_targets(text: str) -> None:
    assert refusal_of(ip_address(text)) is None
    host = f"[{text}]" if ":" in text else text
    assert parse_target(f"https://{host}/").host == text


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "//hooks.example.com/",
        "hooks.example.com",
        "https://",
        "https:///path",
        "https://user@hooks.example.com/",
        "https://user:word@hooks.example.com/",
        "https://@hooks.example.com/",
        "https://hooks.example.com#fragment",
        "https://hooks.example.com/#",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:x/",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\n",
        "https://hooks.exämple.com/",
        "https://hooks..example.com/",
        "https://-x.example.com/",
        "https://hooks.example.com./",
        "https://localhost/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://intranet/",
        "https://[::1%25eth0]/",
        "https://[fe80::1%25eth0]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[2606:4700::1%25eth0]/",
        "https://[v1.x]/",
        "https://[v1.fe80::a]/",
        "https://127.0.0.1.:443/",
        f"https://{'a' * 64}.example.com/",
    ],
)
def test_what_no_webhook_may_be_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(RefusedTargetError) as refused:
        parse_target(url)
    assert refused.value.remedy


def test_target_is_taken_apart() -> None:
    target = parse_target("https://Hooks.Example.com:8443/a/b?c=d&e")

    assert (target.host, target.port) == ("hooks.example.com", 8443)
    assert target.resource == "/a/b?c=d&e"
    assert target.authority == "hooks.example.com:8443"
    assert parse_target("https://hooks.example.com?x").resource == "/?x"
    assert parse_target("https://[2606:4700::1111]/").authority == "[2606:4700::1111]"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://localhost:9/x",
        "https://localhost:4443/x",
        "http://[::1]:9/x",
        "http://127.9.9.9/x",
    ],
)
def test_setting_opens_this_machine_and_nothing_else(url: str) -> None:
    assert parse_target(url, allow_loopback=True).is_local
    with pytest.raises(RefusedTargetError):
        parse_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://10.0.0.1/",
        "http://169.254.169.254/",
        "http://localhost.example.com/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
    ],
)
def test_setting_opens_no_other_address(url: str) -> None:
    with pytest.raises(RefusedTargetError):
        parse_target(url, allow_loopback=True)


def test_query_is_not_shown() -> None:
    assert shown_url("https://a.example/b?token=x") == "https://a.example/b?…"
    assert shown_url("https://a.example/b") == "https://a.example/b"
