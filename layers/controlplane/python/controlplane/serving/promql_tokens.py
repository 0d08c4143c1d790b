"""The words of PromQL as `serving.promql` reads them.

https://prometheus.io/docs/prometheus/latest/querying/basics/ and, of its functions, …/querying/functions/
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*" | '(?:[^'\\\n]|\\[^\n])*' | `[^`]*`)
  | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+)(?![0-9A-Za-z_.])
  | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))(?![0-9A-Za-z_.])
  | (?P<word>[A-Za-z_](?:[A-Za-z0-9_:]*[A-Za-z0-9_])?)
  | (?P<symbol>==|!=|=~|!~|>=|<=|[-+*/%^<>=(){}\[\],:@])
    """,
    re.VERBOSE,
)
SET_OPERATORS = frozenset({"and", "or", "unless", "atan2"})
OPERATORS = frozenset({"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<="})
MATCH_OPERATORS = frozenset({"=", "!=", "=~", "!~"})
GROUPINGS = frozenset({"by", "without"})
NUMBERS = frozenset({"inf", "nan"})
_AGGREGATION_NAMES = "sum avg count min max group stddev stdvar topk bottomk count_values quantile"
AGGREGATIONS = frozenset(_AGGREGATION_NAMES.split())
# Words that the language has taken, in this or that release: as a metric's name they are refused.
_RESERVED_WORDS = (
    "on ignoring group_left group_right bool offset start end step range limitk limit_ratio smoothed anchored fill"
    " fill_left fill_right"
)
RESERVED = SET_OPERATORS | GROUPINGS | AGGREGATIONS | NUMBERS | frozenset(_RESERVED_WORDS.split())
_FUNCTION_NAMES = """
    abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min
    cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv exp floor
    histogram_avg histogram_count histogram_fraction histogram_quantile histogram_sum holt_winters hour idelta increase
    irate label_join label_replace last_over_time ln log10 log2 max_over_time min_over_time minute month pi
    predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin sinh sort sort_desc sqrt
    stddev_over_time stdvar_over_time sum_over_time tan tanh time timestamp vector year
"""
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())


class PromQLError(ValueError):
    """A query that is not accepted; the message says what of it, and where."""


class Token(NamedTuple):
    kind: str
    text: str
    at: int


def read_tokens(query: str) -> list[Token]:
    found, at = [], 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None or match.lastgroup is None:
            raise PromQLError(f"{query[at]!r} at {at + 1} is not understood")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match[0], at))
        at = match.end()
    return [*found, Token("end", "", len(query))]
