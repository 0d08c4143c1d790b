"""CPU that API functions take: to be imported, up to their first answers, and for a warm request."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from statistics import median

from local.bench.allowances import ALLOWANCES
from local.bench.budgets import Detail, Findings, Row
from local.bench.functions import Report, RunningFunction, bare_cpu, running_function
from local.bench.items import Cloud
from local.bench.operations import Case, Kind, cases
from local.bench.packages import Function, HostCode

IMPORTS = 5  # fresh processes of each function
ROUNDS, CALLS = 3, 20  # a warm request's figure is the median of rounds of so many calls
FEW_CALLS = 5  # of what cannot be repeated more often
# Numbers of requests: what they use up is there for them. None occurs twice, since an answer may be remembered.
WARM_FROM, COLD_FROM = 100, 1_000
MOST_FIRST_REQUESTS = 10  # of one function, in one process
IMPORT_BOUND, SIGNING_BOUND = 700.0, 900.0  # CPU-ms
READ_BOUND, CHANGE_BOUND = 1.5, 2.0  # CPU-ms
# What an API function must not load. The one that serves Swagger UI is there for nothing else.
FORBIDDEN = (
    "kubernetes",
    "kfp",
    "kfp_server_api",
    "aws_lambda_powertools.event_handler.openapi.swagger_ui",
)
SERVES_SWAGGER = "docs/api"
RESOLVER = (
    "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver; "
    "APIGatewayHttpResolver(enable_validation=True)"
)


@dataclass(frozen=True)
class ImportCost:
    """CPU-ms of one function beyond a bare interpreter, medians, and what it loaded that it must not."""

    function: Function
    imported: float
    answered: float
    signs: bool
    forbidden: tuple[str, ...]

    @property
    def bound(self) -> float:
        return SIGNING_BOUND if self.signs else IMPORT_BOUND


def measure_imports(code: HostCode, functions: Sequence[Function], cloud: Cloud) -> Findings:
    """Import every API function in fresh processes and let it answer each kind of request once."""
    apis = [function for function in functions if function.is_api]
    bare = median(bare_cpu(code, apis[0]) for _ in range(IMPORTS))
    resolver = median(bare_cpu(code, apis[0], RESOLVER) for _ in range(IMPORTS)) - bare
    cloud.fill(COLD_FROM, COLD_FROM + IMPORTS * MOST_FIRST_REQUESTS, used_up=True)
    costs = [_import_cost(code, function, cloud, bare) for function in apis]
    rows = [
        _import_row("API function", [c for c in costs if not c.signs], bare, resolver),
        _import_row(
            "API function that presigns or hands out STS credentials",
            [cost for cost in costs if cost.signs],
            bare,
            resolver,
        ),
        _forbidden_row(costs),
    ]
    lines = [("bare interpreter", f"{bare:.0f}", "", "", "")]
    lines += [("validating resolver alone", f"{resolver:.0f}", "", "1.0", "")]
    lines += [
        (
            cost.function.entry,
            f"{cost.imported:.0f}",
            f"{cost.answered:.0f}",
            f"{cost.answered / resolver:.1f}",
            f"{cost.bound:.0f}",
        )
        for cost in costs
    ]
    columns = ("API function", "import, CPU-ms", "and first answers", "x resolver", "bound")
    return Findings(rows, [Detail("Cold API functions, beyond a bare interpreter", columns, lines)])


def _import_cost(code: HostCode, function: Function, cloud: Cloud, bare: float) -> ImportCost:
    numbers = count(COLD_FROM)
    own = [case for case in cases() if case.operation.function == function.entry]
    wanted = _first_requests(own)
    imported, answered = [], []
    modules: set[str] = set()
    for _ in range(IMPORTS):
        with running_function(code, function, cloud.settings()) as running:
            imported.append(running.imported.cpu_total - bare)
            last: Report = running.imported
            for case in wanted:
                last = running.call([case.event(next(numbers))])
            answered.append(last.cpu_total - bare)
            modules |= set(last.modules)
    return ImportCost(
        function=function,
        imported=median(imported),
        answered=median(answered),
        signs=any(case.signs for case in own),
        forbidden=tuple(sorted(m for m in modules if _is_forbidden(m, function))),
    )


def _first_requests(own: Sequence[Case]) -> list[Case]:
    """Requests after which nothing is left to be imported late: one that reads, a list (whose cursor is signed
    with a secret), one that changes, all that sign and all that ask by the SDK."""
    able = [case for case in own if case.operation.method != "DELETE" and not case.pages]
    first = [next((c for c in able if c.operation.kind is kind), None) for kind in Kind]
    special = [case for case in able if case.signs or case.asks_by_sdk]
    return list(dict.fromkeys([*filter(None, first), *special]))


def _is_forbidden(module: str, function: Function) -> bool:
    if function.entry == SERVES_SWAGGER and module.startswith(FORBIDDEN[-1]):
        return False
    return any(module == name or module.startswith(f"{name}.") for name in FORBIDDEN)


def _import_row(title: str, costs: Sequence[ImportCost], bare: float, resolver: float) -> Row:
    worst = max(costs, key=lambda cost: cost.answered)
    return Row(
        budget=f"import cost, fresh process, up to the first answer: {title}",
        measured=f"{worst.answered:.0f} CPU-ms ({worst.function.entry}; import alone {worst.imported:.0f}, "
        f"bare interpreter {bare:.0f}); {worst.answered / resolver:.1f} x a bare validating resolver",
        bound=f"≤ {worst.bound:.0f} CPU-ms",
        within=worst.answered <= worst.bound,
        is_count=False,
    )


def _forbidden_row(costs: Sequence[ImportCost]) -> Row:
    loaded = [f"{cost.function.entry}: {cost.forbidden[0]}" for cost in costs if cost.forbidden]
    return Row(
        budget="API functions that load kubernetes, kfp or Swagger UI",
        measured=", ".join(loaded) or f"0 of {len(costs)}",
        bound="0",
        within=not loaded,
        is_count=True,
    )


def measure_warm_requests(code: HostCode, functions: Sequence[Function], cloud: Cloud) -> Findings:
    """CPU of every read, list and change in a warm function, DynamoDB on the loopback.

    Each request of a change finds something that it has not changed yet. Deletions are left out: they read and write
    what other changes do. What is open to everybody is files, and what has a number of calls of its own is bounded
    by that: both are in the table of details, in no budget. `cloud` must hold items enough for a page.
    """
    cloud.fill(WARM_FROM, WARM_FROM + (ROUNDS + 1) * CALLS + 10, used_up=True)
    figures: dict[str, float] = {}
    wanted = [case for case in cases() if case.operation.method != "DELETE" and not case.pages]
    for function in functions:
        own = [case for case in wanted if case.operation.function == function.entry]
        if not own:
            continue
        with running_function(code, function, cloud.settings()) as running:
            figures |= {case.name: _warm_cpu(running, case, cloud) for case in own}
    known = [case for case in wanted if case.name in figures]
    budgeted = [c for c in known if c.name not in ALLOWANCES and not c.operation.is_file]
    of_kind = {kind: [c for c in budgeted if c.operation.kind is kind] for kind in Kind}
    changes = of_kind[Kind.CHANGE]
    rows = [
        _warm_row("read", READ_BOUND, figures, of_kind[Kind.READ]),
        _warm_row("list a page", READ_BOUND, figures, of_kind[Kind.LIST]),
        _warm_row("write", CHANGE_BOUND, figures, [c for c in changes if not c.signs]),
        _warm_row("write and sign", CHANGE_BOUND, figures, [c for c in changes if c.signs]),
        _warm_row(
            "a number of calls of its own",
            None,
            figures,
            [case for case in known if case.name in ALLOWANCES],
        ),
    ]
    lines = [(c.short_name, c.operation.kind, f"{figures[c.name]:.2f}") for c in known]
    return Findings(rows, [Detail("CPU of a warm request", ("request", "kind", "CPU-ms"), lines)])


def _warm_cpu(running: RunningFunction, case: Case, cloud: Cloud) -> float:
    """CPU-ms of one call."""
    calls = FEW_CALLS if case.is_few else CALLS
    numbers = count(WARM_FROM)
    rounds = []
    for _ in range(ROUNDS + 1):
        events = [case.event(next(numbers)) for _ in range(calls)]
        if case.is_few:
            cloud.make_room()
        rounds.append(running.call(events).cpu / calls)
    return median(rounds[1:])  # the first one warms up


def _warm_row(
    title: str, bound: float | None, figures: dict[str, float], of_kind: Sequence[Case]
) -> Row:
    budget = f"Python CPU a warm request, DynamoDB on the loopback: {title}"
    told = f"≤ {bound} ms" if bound else "none of the design's"
    if not of_kind:
        return Row(budget, "none of these requests", told, within=None, is_count=False)
    worst = max(of_kind, key=lambda case: figures[case.name])
    middle = median(figures[case.name] for case in of_kind)
    over = [case for case in of_kind if bound and figures[case.name] > bound]
    return Row(
        budget=budget,
        measured=f"{figures[worst.name]:.2f} ms ({worst.short_name}); median of {len(of_kind)}: {middle:.2f} ms"
        + (f"; {len(over)} over" if over else ""),
        bound=told,
        within=not over if bound else None,
        is_count=False,
    )
