"""Filters: header fields, redirects, and refusal of what cannot be carried out."""

from typing import Any

import pytest
from multidict import CIMultiDict

from local.gateway.filters import (
    FilterInvalidError,
    HeaderModifier,
    Redirect,
    parse_backend_filters,
    parse_rule_filters,
)
from local.gateway.forwarding import JoinedHeaders, end_to_end


def test_header_modifiers_compare_names_without_case() -> None:
    headers = CIMultiDict([("X-Old", "1"), ("x-old", "2"), ("X-Set", "1"), ("X-Add", "1")])
    modifier = HeaderModifier(
        set=(("x-set", "2"),), add=(("x-add", "2"),), remove=("X-OLD", "X-Absent")
    )
    modifier.apply(headers)
    assert sorted((k.lower(), v) for k, v in headers.items()) == [
        ("x-add", "1"),
        ("x-add", "2"),
        ("x-set", "2"),
    ]


def test_fields_for_one_connection_are_not_passed_on() -> None:
    headers = CIMultiDict(
        [("Connection", "close, X-Mine"), ("X-Mine", "1"), ("TE", "trailers"), ("Accept", "a")]
    )
    assert list(end_to_end(headers).items()) == [("Accept", "a")]


def test_repeated_fields_are_matched_joined() -> None:
    headers = JoinedHeaders(CIMultiDict([("A", "1"), ("a", "2")]))
    assert headers.get("a") == "1, 2"
    assert headers.get("b") is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, "http://host:8080/a/b?q=1"),
        ({"scheme": "https"}, "https://host/a/b?q=1"),
        ({"port": 80}, "http://host/a/b?q=1"),
        ({"scheme": "https", "port": 8443}, "https://host:8443/a/b?q=1"),
        ({"hostname": "other", "port": 80}, "http://other/a/b?q=1"),
        (
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}},
            "http://host:8080/x/b?q=1",
        ),
        (
            {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}},
            "http://host:8080/x?q=1",
        ),
    ],
)
def test_redirects_follow_the_rules_for_scheme_and_port(
    entry: dict[str, Any], expected: str
) -> None:
    filters = parse_rule_filters([{"type": "RequestRedirect", "requestRedirect": entry}])
    assert isinstance(filters.redirect, Redirect)
    assert filters.redirect.status == 302
    location = filters.redirect.location(
        scheme="http", host="host", port=8080, path="/a/b", query="q=1", matched_prefix="/a"
    )
    assert location == expected


def test_mirrors_take_a_percent_or_a_fraction() -> None:
    backend = {"name": "s", "port": 80}
    entries = [
        {"type": "RequestMirror", "requestMirror": {"backendRef": backend, **share}}
        for share in ({}, {"percent": 10}, {"fraction": {"numerator": 1, "denominator": 3}})
    ]
    shares = [(m.numerator, m.denominator) for m in parse_rule_filters(entries).mirrors]
    assert shares == [(1, 1), (10, 100), (1, 3)]


def test_what_cannot_be_carried_out_is_refused_with_a_reason() -> None:
    with pytest.raises(FilterInvalidError, match="CORS") as refused:
        parse_rule_filters([{"type": "CORS", "cors": {}}])
    assert refused.value.reason == "UnsupportedValue"
    with pytest.raises(FilterInvalidError) as refused:
        parse_rule_filters([{"type": "URLRewrite"}, {"type": "RequestRedirect"}])
    assert refused.value.reason == "IncompatibleFilters"
    with pytest.raises(FilterInvalidError, match="on the rule"):
        parse_backend_filters([{"type": "URLRewrite"}])
