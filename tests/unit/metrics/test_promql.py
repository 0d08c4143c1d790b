"""PromQL of people is confined to their own namespace, or refused: a property, checked with a parser of its own."""

from typing import Any

import promql_parser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controlplane.serving.promql import MAX_DEPTH, confine, find_fault
from controlplane.serving.promql_tokens import PromQLError

PLACES = {
    "revision": "vision--digits--v2",
    "namespace": "tenant-acme",
    "deployment": "vision--digits",
}
OURS = ("namespace", "tenant-acme")


def confined(query: str) -> str:
    return confine(query, "tenant-acme", PLACES, since_seconds=90)


def selectors(query: str) -> list[Any]:
    """Every selector of a query, as another parser than ours reads it."""
    found = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def is_confined(selector: Any) -> bool:
    """Whether our matcher is among those that are all demanded, and no alternatives are."""
    held = [
        (one.name, one.value)
        for one in selector.matchers.matchers
        if one.op == promql_parser.MatchOp.Equal
    ]
    return OURS in held and not selector.matchers.or_matchers


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("up", 'up{namespace="tenant-acme"}'),
        ("{}", '{namespace="tenant-acme"}'),
        ('up{namespace="tenant-globex"}', 'up{namespace="tenant-globex",namespace="tenant-acme"}'),
        ('{__name__=~".+",}', '{__name__=~".+",namespace="tenant-acme"}'),
        ("rate(x[5m:1m])", 'rate ( x{namespace="tenant-acme"} [5m:1m] )'),
        ("increase(x[{since}])", 'increase ( x{namespace="tenant-acme"} [90s] )'),
        ("x offset -1h @ end()", 'x{namespace="tenant-acme"} offset -1h @ end()'),
        ("a:b:rate5m", 'a:b:rate5m{namespace="tenant-acme"}'),
        (
            "sum by (le) (x) / on (a) group_left (b) y",
            'sum by (le) ( x{namespace="tenant-acme"} ) / on (a) group_left (b) y{namespace="tenant-acme"}',
        ),
        ("sum(x) by (le) > bool 1e3", 'sum ( x{namespace="tenant-acme"} ) by (le) > bool 1e3'),
        ("-1 + 0x1F ^ Inf", "- 1 + 0x1F ^ Inf"),
        (r"""x{a='\'}"',b="\"}"}""", r"""x{a='\'}"',b="\"}",namespace="tenant-acme"}"""),
        (
            'x{pod=~"{revision}-.{2,}",d=`{deployment}`,n="{namespace}"}',
            'x{pod=~"vision--digits--v2-.{2,}",d=`vision--digits`,n="tenant-acme",namespace="tenant-acme"}',
        ),
    ],
)
def test_a_query_is_confined(query: str, wanted: str) -> None:
    assert confined(query) == wanted
    assert find_fault(query) is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "the end at 1"),
        ("sum(by)", "'by' at 5 cannot be a metric's name"),
        ("ON", "'ON' at 1 cannot be a metric's name"),
        ("offset", "'offset' at 1"),
        ("info(x)", "no function 'info'"),
        ("WITH (a = b) a", "no function 'WITH'"),
        ('x{a="b" or namespace="c"}', "'or' at 9"),
        ('{"quoted.name"}', "where a label should stand"),
        ("x{namespace=}", "where a string should stand"),
        ('x{"}', "not understood"),
        ("x # comment", "'#' at 3"),
        ("x; y", "';' at 2"),
        ("x y", "'y' at 3"),
        ("x{a='b'}{c='d'}", "'{' at 9"),
        ("x[5m", "where ']' should stand"),
        ("x[5]", "where a duration"),
        ("x[{revision}]", "only {since}"),
        ("{revision}", "where one of = != =~ !~"),
        ("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "in each other"),
        ("\u00a0up", "not understood"),
        ("1foo", "not understood"),
        ('x{a="b\nc"}', "not understood"),
    ],
)
def test_what_is_not_understood_is_refused(query: str, said: str) -> None:
    fault = find_fault(query)

    assert fault is not None
    assert said in fault
    with pytest.raises(PromQLError):
        confined(query)


def test_nothing_but_names_is_put_into_a_query() -> None:
    for value in ('x"} or up{a="', "a.b", "", "A", "-a", "a\n"):
        with pytest.raises(ValueError, match="cannot stand in a query"):
            confine("up", "tenant-acme", PLACES | {"revision": value}, since_seconds=1)
        with pytest.raises(ValueError, match="cannot stand in a query"):
            confine("up", value, PLACES, since_seconds=1)


# Pieces of queries, good ones and such as are meant to slip through.
WORDS = (
    "up", "x:y", "by", "without", "on", "ignoring", "group_left", "bool", "offset", "and", "or", "unless", "sum",
    "topk", "rate", "info", "absent", "label_replace", "vector", "time", "end", "start", "namespace", "since",
    "inf", "1", "1.5", "0x1f", "5m", "1h30m", "5", '"a"', "'b'", "`c`", r'"\""', r"'\''", "'", '"', "`",
    '"tenant-globex"', '"{revision}"', "{", "}", "(", ")", "[", "]", ",", ":", "@", "=", "!=", "=~", "!~", "+", "-",
    "*", "/", "^", ">=", "#", "\n", ";", "\\", "{}", "()", "{since}", "_", "__name__",
)  # fmt: skip
NAMES = st.sampled_from(["up", "x", "a:b", "http_requests_total"])
STRINGS = st.sampled_from(
    ['"a"', "'b'", '".*"', '"tenant-globex"', r'"\"}"', "`}`", "'{revision}'"]
)
MATCHERS = st.builds(
    lambda label, op, text: f"{label}{op}{text}",
    st.sampled_from(["a", "namespace", "__name__", "le"]),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    STRINGS,
)
SELECTORS = (
    st.builds(
        lambda name, matchers, tail: f"{name}{{{','.join(matchers)}}}{tail}",
        NAMES,
        st.lists(MATCHERS, max_size=3),
        st.sampled_from(["", " offset 5m", " @ 12", " @ end()"]),
    )
    | NAMES
)
RANGES = st.builds(
    lambda s, r: f"{s}{r}",
    SELECTORS.filter(lambda s: "@" not in s and "offset" not in s),
    st.sampled_from(["[5m]", "[1h:5m]", "[{since}]"]),
)
OPERATORS = st.sampled_from(["+", "and", "or on (a)", "> bool", "unless ignoring (b)"])
EXPRESSIONS = st.recursive(
    SELECTORS | st.sampled_from(["1", "vector(1)", "time()"]) | RANGES.map(lambda r: f"rate({r})"),
    lambda inner: st.one_of(
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"sum by (le, a) ({e})"),
        inner.map(lambda e: f"avg({e}) without (x)"),
        inner.map(lambda e: f'label_replace({e}, "a", "$1", "b", "(.*)")'),
        inner.map(lambda e: f"max_over_time(({e})[5m:1m])"),
        st.tuples(inner, OPERATORS, inner).map(" ".join),
    ),
    max_leaves=6,
)  # fmt: skip


def promises(query: str) -> int:
    """What holds of each query that is accepted; how many selectors it had."""
    sent = confined(query)
    try:
        found = selectors(sent)
    except ValueError:
        # Types do not fit, say: Prometheus refuses it too. What it would read is what we checked.
        return 0
    assert all(is_confined(one) for one in found), (query, sent)
    return len(found)


@given(EXPRESSIONS)
def test_whatever_is_accepted_reads_ones_own_namespace_alone(query: str) -> None:
    try:
        plain = selectors(query.replace("{since}", "90s"))
    except ValueError:
        plain = None

    count = promises(query)

    # A query that the other parser knows is accepted with all of its selectors.
    assert plain is None or count == len(plain), query


@given(st.lists(st.sampled_from(WORDS), max_size=14), st.sampled_from(["", " "]))
@example(["sum", "(", "by", ")"], " ")
@example(["up", "{", "}", "or", "on", "(", ")", "up"], " ")
def test_tokens_in_any_order_do_not_slip_through(words: list[str], between: str) -> None:
    query = between.join(words)
    if find_fault(query) is None:
        promises(query)


@given(st.text(max_size=60))
def test_any_text_is_confined_or_refused_with_a_reason(text: str) -> None:
    fault = find_fault(text)
    assert fault is None or len(fault) > 5
    if fault is None:
        promises(text)
