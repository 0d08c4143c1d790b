"""AWS calls that a warm request makes, and whether there are more of them when there is more stored."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from local.bench.budgets import Detail, Findings, Row
from local.bench.errors import BenchError
from local.bench.functions import RunningFunction, running_function
from local.bench.items import create_cloud
from local.bench.operations import Case, Kind, next_page
from local.bench.packages import Function, HostCode
from local.bench.wire import Call, Wire, running_wire

FEW = 10
READS = frozenset({"GetItem", "BatchGetItem", "TransactGetItems", "secretsmanager:GetSecretValue"})
QUERIES = frozenset({"Query"})
BOUNDS = {
    Kind.READ: "1 read",
    Kind.CHANGE: "1 write + at most 1 read",
    Kind.LIST: "1 query",
}


@dataclass(frozen=True)
class Counts:
    """The calls of one request; a call that is neither a known read nor a query counts as a write."""

    names: tuple[str, ...]
    items_read: int

    @property
    def queries(self) -> int:
        return sum(name in QUERIES for name in self.names)

    @property
    def reads(self) -> int:
        return sum(name in READS for name in self.names)

    @property
    def writes(self) -> int:
        return len(self.names) - self.queries - self.reads

    def keeps(self, kind: Kind) -> bool:
        """Whether it is no more than the design allows for an operation of that kind."""
        if kind is Kind.LIST:
            return self.queries <= 1 and not self.reads and not self.writes
        if kind is Kind.READ:
            return self.reads <= 1 and not self.queries and not self.writes
        return self.writes <= 1 and self.reads <= 1 and not self.queries

    def __str__(self) -> str:
        read = f" ({self.items_read} items)" if self.items_read else ""
        return (", ".join(self.names) or "none") + read


@dataclass
class Caller:
    """Calls cases on warm functions and writes down what each said to AWS."""

    functions: dict[str, RunningFunction]
    wire: Wire
    numbers: dict[str, int] = field(default_factory=dict)

    def count(self, case: Case) -> Counts:
        """The calls of one request, made after another one of the same case has warmed everything."""
        function = self.functions[case.operation.function]
        first, second = case.event(self._number(case)), case.event(self._number(case))
        warmed = function.call([first])
        event = next_page(first, _cursor(case, warmed.body)) if case.pages else second
        with self.wire.recording() as made:
            function.call([event])
        # One that the caller gave up on is followed by its repetition: the embedded cloud was slow.
        counted = [call for call in made if call.answered and not _asks_for_access(call)]
        names = tuple(call.name for call in counted)
        return Counts(names, sum(call.items_read for call in counted))

    def _number(self, case: Case) -> int:
        """Of requests to one operation no two have the same number: each has an object of its own."""
        number = self.numbers.get(case.operation.name, 0)
        self.numbers[case.operation.name] = number + 1
        return number


def measure_counts(
    endpoint: str,
    code: HostCode,
    functions: Sequence[Function],
    wanted: Sequence[Case],
    many: int,
) -> Findings:
    """Count the calls of each case with few and with many items of each kind in a table.

    `endpoint` is AWS for the functions; they reach it through a proxy that writes down what they say.
    """
    with ExitStack() as open_:
        cloud = create_cloud(endpoint, FEW)
        wire = open_.enter_context(running_wire(endpoint))
        settings = cloud.settings(wire.url)
        running = {
            function.entry: open_.enter_context(running_function(code, function, settings))
            for function in functions
            if any(case.operation.function == function.entry for case in wanted)
        }
        caller = Caller(running, wire)
        with_few = {case.name: caller.count(case) for case in wanted}
        cloud.fill(FEW, many)
        with_many = {case.name: caller.count(case) for case in wanted}
        cloud.remove()
    return _findings(wanted, with_few, with_many, many)


def _findings(
    wanted: Sequence[Case],
    with_few: dict[str, Counts],
    with_many: dict[str, Counts],
    many: int,
) -> Findings:
    rows = [_calls_row(kind, wanted, with_few) for kind in Kind]
    grown = [case.short_name for case in wanted if with_few[case.name] != with_many[case.name]]
    same = len(wanted) - len(grown)
    rows.append(
        Row(
            budget=f"cost of a call does not grow: calls and items read at {FEW} and at {many:,}",
            measured=f"{same} of {len(wanted)} requests the same" + _named(grown),
            bound="same counts",
            within=not grown,
            is_count=True,
        )
    )
    lines = [
        (case.short_name, case.operation.kind, str(with_few[case.name]), str(with_many[case.name]))
        for case in wanted
    ]
    columns = ("request", "kind", f"AWS calls, {FEW} of each", f"{many:,} of each")
    return Findings(rows, [Detail("AWS calls of a warm request", columns, lines)])


def _calls_row(kind: Kind, wanted: Sequence[Case], counts: dict[str, Counts]) -> Row:
    of_kind = [case for case in wanted if case.operation.kind is kind]
    over = [case.short_name for case in of_kind if not counts[case.name].keeps(kind)]
    most = [max(getattr(counts[c.name], what) for c in of_kind) for what in _TOLD[kind]]
    told = ", ".join(f"{n} {what}" for n, what in zip(most, _TOLD[kind], strict=True))
    return Row(
        budget=f"AWS calls a warm API request makes: {kind}",
        measured=f"at most {told} ({len(of_kind)} requests)" + _named(over),
        bound=BOUNDS[kind],
        within=not over,
        is_count=True,
    )


_TOLD = {
    Kind.READ: ("reads",),
    Kind.CHANGE: ("writes", "reads"),
    Kind.LIST: ("queries",),
}


def _named(names: Sequence[str]) -> str:
    return f"; not: {', '.join(names)}" if names else ""


def _asks_for_access(call: Call) -> bool:
    """Who may call is asked every few seconds and lies outside the budget, as the design says."""
    if call.action != "BatchGetItem":
        return False
    tables = call.body["RequestItems"].values()
    return any(key["sk"]["S"].startswith("PRINCIPAL#") for table in tables for key in table["Keys"])


def _cursor(case: Case, body: object) -> str:
    cursor = body.get("next") if isinstance(body, dict) else None
    if not cursor:
        raise BenchError(f"{case.name}: the list has no next page, so nothing can be said of it")
    return str(cursor)
