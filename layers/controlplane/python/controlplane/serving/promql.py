"""PromQL that people write, confined to what is theirs: every series that it selects must be of one namespace.

A query of one tenant is evaluated by a Prometheus that holds the series of all. So each selector gets the matcher
`namespace="…"` beside its own, whatever those say: matchers of a selector are all demanded. What is sent is written
anew from the tokens that were understood here, so what this module does not know is refused and never passed on.
It knows the language of Prometheus 2 and 3 without experiments, comments and quoted metric names
(https://prometheus.io/docs/prometheus/latest/querying/basics/). Not `info()`, which reads series that it does not name.
"""

import re
from collections.abc import Callable, Mapping

from controlplane.serving.promql_tokens import (
    AGGREGATIONS,
    FUNCTIONS,
    GROUPINGS,
    MATCH_OPERATORS,
    NUMBERS,
    OPERATORS,
    RESERVED,
    SET_OPERATORS,
    PromQLError,
    Token,
    read_tokens,
)

NAMESPACE = "namespace"
# Of expressions in each other; those of people are far below, and the parser below calls itself for each.
MAX_DEPTH = 24

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{(revision|namespace|deployment)\}")
# What may stand in a query in place of a placeholder: nothing that ends a string or means something in a regex.
_VALUE = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")


def find_fault(query: str) -> str | None:
    """Why a query of a person's is not accepted, in words for them; None when it is."""
    example = {"revision": "p--d--v1", "namespace": "tenant-a", "deployment": "p--d"}
    try:
        confine(query, "tenant-a", example, since_seconds=60)
    except PromQLError as fault:
        return str(fault)
    return None


def confine(
    query: str, namespace: str, placeholders: Mapping[str, str], *, since_seconds: int
) -> str:
    """The query, with the namespace demanded by each of its selectors.

    `{revision}`, `{namespace}` and `{deployment}` are replaced in its strings, `[{since}]` by the time since the
    rollout began. Raises PromQLError, and ValueError for a namespace or a value that is no name.
    """
    for value in (namespace, *placeholders.values()):
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{value!r} cannot stand in a query")
    if since_seconds < 1:
        raise ValueError("a range lasts a second at least")

    def fill(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: placeholders.get(found[1], found[0]), text)

    return _Confinement(read_tokens(query), f'{NAMESPACE}="{namespace}"', fill, since_seconds).run()


class _Confinement:
    """Reads an expression from left to right and writes what it has understood."""

    def __init__(
        self, tokens: list[Token], matcher: str, fill: Callable[[str], str], since_seconds: int
    ) -> None:
        self._tokens = tokens
        self._matcher = matcher
        self._fill = fill
        self._since = since_seconds
        self._next = 0
        self._depth = 0
        self._written: list[str] = []

    def run(self) -> str:
        self._expression()
        if self._peek.kind != "end":
            raise self._unexpected("an operator or the end")
        return " ".join(self._written)

    def _expression(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PromQLError(f"more than {MAX_DEPTH} expressions in each other")
        self._operand()
        while self._binary_operator():
            self._operand()
        self._depth -= 1

    def _binary_operator(self) -> bool:
        token = self._peek
        if not (token.text in OPERATORS or self._is_word(SET_OPERATORS)):
            return False
        self._write(self._take().text)
        if self._is_word({"bool"}):
            self._write(self._take().text)
        if self._is_word({"on", "ignoring"}):
            self._write(self._take().text)
            self._labels()
            if self._is_word({"group_left", "group_right"}):
                self._write(self._take().text)
                if self._peek.text == "(":
                    self._labels()
        return True

    def _operand(self) -> None:
        while self._peek.text in ("+", "-"):
            self._write(self._take().text)
        self._atom()
        while self._modifier():
            pass

    def _atom(self) -> None:
        token = self._peek
        if token.kind in ("number", "duration"):
            self._write(self._take().text)
        elif token.kind == "string":
            self._write(self._fill(self._take().text))
        elif token.text == "(":
            self._write(self._take().text)
            self._expression()
            self._write(self._demand(")"))
        elif token.text == "{":
            self._selector("")
        elif token.kind == "word":
            self._named()
        else:
            raise self._unexpected("a metric, a function or a number")

    def _named(self) -> None:
        token = self._take()
        word = token.text.lower()
        if word in NUMBERS:
            self._write(token.text)
        elif word in AGGREGATIONS:
            self._aggregation(token)
        elif word in RESERVED:
            raise PromQLError(f"{token.text!r} at {token.at + 1} cannot be a metric's name here")
        elif self._peek.text == "(":
            if token.text not in FUNCTIONS:
                raise PromQLError(f"there is no function {token.text!r} here, at {token.at + 1}")
            self._write(token.text)
            self._arguments()
        else:
            self._selector(token.text)

    def _aggregation(self, token: Token) -> None:
        self._write(token.text)
        grouped = self._grouping()
        self._arguments()
        if not grouped:
            self._grouping()

    def _grouping(self) -> bool:
        if not self._is_word(GROUPINGS):
            return False
        self._write(self._take().text)
        self._labels()
        return True

    def _arguments(self) -> None:
        self._write(self._demand("("))
        if self._peek.text != ")":
            self._expression()
            while self._peek.text == ",":
                self._write(self._take().text)
                self._expression()
        self._write(self._demand(")"))

    def _labels(self) -> None:
        names = []
        self._demand("(")
        while self._peek.text != ")":
            names.append(self._label())
            if self._peek.text != ",":
                break
            self._take()
        self._demand(")")
        self._write(f"({', '.join(names)})")

    def _label(self) -> str:
        token = self._peek
        if token.kind != "word" or not _LABEL.fullmatch(token.text):
            raise self._unexpected("a label")
        return self._take().text

    def _selector(self, name: str) -> None:
        matchers = []
        if self._peek.text == "{":
            self._take()
            while self._peek.text != "}":
                matchers.append(self._one_matcher())
                if self._peek.text != ",":
                    break
                self._take()
            self._demand("}")
        # An empty value matches series without the label, a negation nearly all: ours is demanded besides.
        self._write(f"{name}{{{','.join((*matchers, self._matcher))}}}")

    def _one_matcher(self) -> str:
        label = self._label()
        if self._peek.text not in MATCH_OPERATORS:
            raise self._unexpected("one of = != =~ !~")
        operator = self._take().text
        if self._peek.kind != "string":
            raise self._unexpected("a string")
        return f"{label}{operator}{self._fill(self._take().text)}"

    def _modifier(self) -> bool:
        if self._peek.text == "[":
            self._range()
        elif self._is_word({"offset"}):
            self._take()
            self._write(f"offset {self._sign()}{self._duration()}")
        elif self._peek.text == "@":
            self._take()
            self._write(f"@ {self._moment()}")
        else:
            return False
        return True

    def _range(self) -> None:
        self._demand("[")
        written = self._duration()
        if self._peek.text == ":":
            self._take()
            step = "" if self._peek.text == "]" else self._duration()
            written = f"{written}:{step}"
        self._demand("]")
        self._write(f"[{written}]")

    def _duration(self) -> str:
        if self._peek.text == "{":
            self._take()
            if self._take().text != "since":
                raise PromQLError("of placeholders only {since} can stand for a duration")
            self._demand("}")
            return f"{self._since}s"
        if self._peek.kind != "duration":
            raise self._unexpected("a duration such as 5m")
        return self._take().text

    def _moment(self) -> str:
        if self._is_word({"start", "end"}):
            word = self._take().text
            self._demand("(")
            self._demand(")")
            return f"{word}()"
        sign = self._sign()
        if self._peek.kind != "number":
            raise self._unexpected("a time in seconds")
        return sign + self._take().text

    def _sign(self) -> str:
        return self._take().text if self._peek.text in ("+", "-") else ""

    @property
    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _is_word(self, words: frozenset[str] | set[str]) -> bool:
        return self._peek.kind == "word" and self._peek.text.lower() in words

    def _take(self) -> Token:
        token = self._peek
        if token.kind == "end":
            raise self._unexpected("more")
        self._next += 1
        return token

    def _demand(self, text: str) -> str:
        if self._peek.text != text:
            raise self._unexpected(repr(text))
        return self._take().text

    def _write(self, text: str) -> None:
        self._written.append(text)

    def _unexpected(self, wanted: str) -> PromQLError:
        token = self._peek
        found = repr(token.text) if token.text else "the end"
        return PromQLError(f"{found} at {token.at + 1}, where {wanted} should stand")
