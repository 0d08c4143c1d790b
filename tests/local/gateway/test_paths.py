"""Paths: the table of the Gateway API for prefix replacement, and normal forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.durations import parse_duration
from local.gateway.forwarding import Target, parse_target
from local.gateway.paths import matches_prefix, normalise_path, prefixes_of, replace_prefix

SEGMENTS = st.lists(st.text("ab.%~", max_size=3), max_size=5)
PATHS = SEGMENTS.map(lambda segments: "/" + "/".join(segments))


@pytest.mark.parametrize(
    ("path", "prefix", "replacement", "expected"),
    [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo", "/", "/xyz", "/xyz/foo"),
    ],
)
def test_prefix_replacement_follows_the_table_of_the_gateway_api(
    path: str, prefix: str, replacement: str, expected: str
) -> None:
    assert replace_prefix(path, prefix, replacement) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/serving/a/../b", "/serving/b"),
        ("/serving/a/%2e%2E/b", "/serving/b"),
        ("/../../x", "/x"),
        ("/a/./b/.", "/a/b/"),
        ("/a/..", "/"),
        ("/%7euser/%c3%a4", "/~user/%C3%A4"),
        ("/a%2fb", "/a%2Fb"),
        ("/a/.well-known/..b", "/a/.well-known/..b"),
        ("/a//b", "/a//b"),
    ],
)
def test_equivalent_paths_have_one_form(path: str, expected: str) -> None:
    assert normalise_path(path) == expected


@given(PATHS)
def test_normal_form_is_stable_and_climbs_nowhere(path: str) -> None:
    normal = normalise_path(path)
    assert normalise_path(normal) == normal
    assert not {".", ".."} & set(normal.split("/"))
    assert normal.startswith("/")


@given(PATHS, PATHS)
def test_prefixes_of_a_path_are_exactly_those_that_match_it(path: str, prefix: str) -> None:
    assert matches_prefix(path, prefix) == (prefix.rstrip("/") in set(prefixes_of(path)))


def test_prefixes_match_whole_segments_only() -> None:
    assert matches_prefix("/foo/bar", "/foo/")
    assert matches_prefix("/foo", "/foo/")
    assert not matches_prefix("/foobar", "/foo")


def test_request_targets_are_read_in_both_forms() -> None:
    assert parse_target("/a/../b?x=/../y") == Target("/b", "x=/../y")
    assert parse_target("http://host:1/a?x") == Target("/a", "x")
    assert parse_target("http://host?x") == Target("/", "")
    assert parse_target("*") is None


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("1h30m", 5400), ("250ms", 0.25)])
def test_durations_are_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "1d", "s", "1.5s"])
def test_unreadable_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
