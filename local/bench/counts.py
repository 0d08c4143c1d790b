"""AWS calls that a warm request makes, and whether there are more of them when there is more stored."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from local.bench.allowances import ALLOWANCES
from local.bench.budgets import Detail, Findings, Row
from local.bench.errors import BenchError
from local.bench.functions import RunningFunction, running_function
from local.bench.items import TENANT_ROLE, create_cloud
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
    """The calls of one request; a call that is neither a known read nor a query counts as a write.

    `sessions` are calls to STS for the tenant's credentials, which are good for the container and none of `names`.
    """

    names: tuple[str, ...]
    items_read: int
    sessions: int = 0

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
        return (", ".join(_run_lengths(self.names)) or "none") + read


@dataclass
class Caller:
    """Calls cases on warm functions and writes down what each said to AWS."""

    functions: dict[str, RunningFunction]
    wire: Wire
    role: str
    numbers: dict[str, int] = field(default_factory=dict)
    cold: dict[str, int] = field(default_factory=dict)

    def count(self, case: Case) -> Counts:
        """The calls of one request, made after another one of the same case has warmed everything."""
        function = self.functions[case.operation.function]
        first, second = case.event(self._number(case)), case.event(self._number(case))
        with self.wire.recording() as warming:
            warmed = function.call([first])
        # The sessions that the function's first requests have opened, by function.
        opened = self.cold.get(case.operation.function, 0) + self._sessions(warming)
        self.cold[case.operation.function] = opened
        event = next_page(first, _cursor(case, warmed.body)) if case.pages else second
        with self.wire.recording() as made:
            function.call([event])
        # One that the caller gave up on is followed by its repetition: the embedded cloud was slow.
        counted = [
            call
            for call in made
            if call.answered and not _asks_for_access(call) and not self._opens_session(call)
        ]
        names = tuple(call.name for call in counted)
        return Counts(names, sum(call.items_read for call in counted), self._sessions(made))

    def _sessions(self, made: Sequence[Call]) -> int:
        return sum(self._opens_session(call) for call in made)

    def _opens_session(self, call: Call) -> bool:
        return call.service == "sts" and call.body.get("RoleArn") == self.role

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
        caller = Caller(running, wire, settings[TENANT_ROLE])
        with_few = {case.name: caller.count(case) for case in wanted}
        cold = dict(caller.cold)
        cloud.fill(FEW, many)
        with_many = {case.name: caller.count(case) for case in wanted}
        cloud.remove()
    return _findings(wanted, with_few, with_many, many, cold)


def _findings(
    wanted: Sequence[Case],
    with_few: dict[str, Counts],
    with_many: dict[str, Counts],
    many: int,
    cold: dict[str, int],
) -> Findings:
    plain = [case for case in wanted if case.name not in ALLOWANCES]
    apart = [case for case in wanted if case.name in ALLOWANCES]
    rows = [_calls_row(kind, plain, with_few) for kind in Kind]
    if apart:
        rows.append(_allowances_row(apart, with_few, with_many))
    rows.append(_growth_row(wanted, with_few, with_many, many))
    rows.append(_sessions_row([*with_few.values(), *with_many.values()], cold))
    lines = [
        (case.short_name, case.operation.kind, str(with_few[case.name]), str(with_many[case.name]))
        for case in wanted
    ]
    columns = ("request", "kind", f"AWS calls, {FEW} of each", f"{many:,} of each")
    calls = Detail("AWS calls of a warm request", columns, lines)
    reasons = [(case.short_name, _allowed(case), ALLOWANCES[case.name].reason) for case in apart]
    numbers = Detail(
        "Requests with a number of calls of their own", ("request", "at most", "why"), reasons
    )
    return Findings(rows, [calls, numbers])


def _calls_row(kind: Kind, wanted: Sequence[Case], counts: dict[str, Counts]) -> Row:
    of_kind = [case for case in wanted if case.operation.kind is kind]
    over = [case.short_name for case in of_kind if not counts[case.name].keeps(kind)]
    most = [
        max((getattr(counts[c.name], what) for c in of_kind), default=0) for what in _TOLD[kind]
    ]
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


def _allowances_row(
    apart: Sequence[Case], with_few: dict[str, Counts], with_many: dict[str, Counts]
) -> Row:
    over = []
    for case in apart:
        allowed, counted = ALLOWANCES[case.name], [with_few[case.name]]
        if not allowed.grows:
            counted.append(with_many[case.name])
        if not all(allowed.keeps(each.names) for each in counted):
            over.append(case.short_name)
    return Row(
        budget="AWS calls of the requests that have a number of their own",
        measured=f"{len(apart) - len(over)} of {len(apart)} requests within it" + _named(over),
        bound="listed by name, with the reason",
        within=not over,
        is_count=True,
    )


def _growth_row(
    wanted: Sequence[Case], with_few: dict[str, Counts], with_many: dict[str, Counts], many: int
) -> Row:
    """What grows by its nature is named with what it costs, never left out."""
    changed = [case for case in wanted if with_few[case.name] != with_many[case.name]]
    growing = [c for c in changed if c.name in ALLOWANCES and ALLOWANCES[c.name].grows]
    others = [case.short_name for case in changed if case not in growing]
    told = [f"{c.short_name}: {with_many[c.name]}" for c in growing]
    return Row(
        budget=f"cost of a call does not grow: calls and items read at {FEW} and at {many:,}",
        measured=f"{len(wanted) - len(changed)} of {len(wanted)} requests the same"
        + _named(others)
        + (f"; by their nature more: {'; '.join(told)}" if told else ""),
        bound="same counts",
        within=not others,
        is_count=True,
    )


def _sessions_row(counted: Sequence[Counts], cold: dict[str, int]) -> Row:
    """A tenant's credentials are a container's first cost, and no warm request's."""
    warm = sum(counts.sessions for counts in counted)
    most = max(cold.values(), default=0)
    return Row(
        budget="credentials: calls to STS for a session of the tenant, which are in no count above",
        measured=f"at most {most} in a container, before its first answer to the tenant; "
        f"{warm} in {len(counted)} warm requests",
        bound="1 a container, tenant and hour; 0 in warm requests",
        within=most <= 1 and not warm,
        is_count=True,
    )


def _allowed(case: Case) -> str:
    allowed = ALLOWANCES[case.name]
    return ", ".join(_run_lengths(allowed.calls)) + (
        ", and more with more" if allowed.grows else ""
    )


def _run_lengths(names: Sequence[str]) -> list[str]:
    """`Query x 3` for one call made three times in a row."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return [name if times == 1 else f"{name} x {times}" for name, times in runs]


def _named(names: Sequence[str]) -> str:
    return f"; not: {', '.join(names)}" if names else ""


def _asks_for_access(call: Call) -> bool:
    """Who may call is asked every few seconds and lies outside the budget, as the design says."""
    if call.action == "GetItem":
        keys = [call.body["Key"]]
    elif call.action == "BatchGetItem":
        keys = [key for table in call.body["RequestItems"].values() for key in table["Keys"]]
    else:
        return False
    return any(key["sk"]["S"].startswith("PRINCIPAL#") for key in keys)


def _cursor(case: Case, body: object) -> str:
    cursor = _next_of(body)
    if not cursor:
        raise BenchError(f"{case.name}: the list has no next page, so nothing can be said of it")
    return str(cursor)


def _next_of(body: object) -> object:
    """The platform's overview has its list below another field."""
    if not isinstance(body, dict):
        return None
    return body.get("next") or _next_of(body.get("tenants"))
