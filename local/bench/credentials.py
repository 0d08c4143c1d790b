"""What it costs that a request works with credentials of its tenant alone: once per container, and ever after."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from local.bench.budgets import Detail, Findings, Row
from local.bench.examples import FIXED, asker_of, member_of
from local.bench.functions import Report, RunningFunction, running_function
from local.bench.items import TENANT_ROLE, Cloud
from local.bench.names import numbered
from local.bench.operations import Operation, operations, request
from local.bench.packages import Function, HostCode

TENANTS = 20  # each is new to the container; no more than a container remembers
ROUNDS, CALLS = 5, 40
# Asks AWS for nothing but who may call, and for one item.
FIRST, WARM = "GET /me", "GET /projects/{project}"


@dataclass(frozen=True)
class Cost:
    """Milliseconds of a request, of CPU and by the clock, medians."""

    cpu: float
    clock: float


def measure_credentials(code: HostCode, functions: Sequence[Function], cloud: Cloud) -> Findings:
    """The same requests of functions with the tenants' role, and with their own role's rights alone.

    `cloud` must hold as many numbered tenants.
    """
    settings = cloud.settings()
    own_role = {name: value for name, value in settings.items() if name != TENANT_ROLE}
    of_first, of_warm = _operation(FIRST), _operation(WARM)
    by_entry = {function.entry: function for function in functions}
    costs: dict[str, tuple[Cost, Cost]] = {}
    for title, environment in (("the tenant's", settings), ("the function's own", own_role)):
        with running_function(code, by_entry[of_first.function], environment) as running:
            first = _first_request(running, of_first)
        with running_function(code, by_entry[of_warm.function], environment) as running:
            costs[title] = first, _warm_request(running, of_warm)
    return _findings(costs)


def _operation(name: str) -> Operation:
    return next(operation for operation in operations() if operation.name == name)


def _first_request(running: RunningFunction, operation: Operation) -> Cost:
    """Of tenants that the container has not served before."""
    names = [numbered("tenant", number) for number in range(TENANTS)]
    events = [request(operation, {}, member_of(name)) for name in names]
    running.call([request(operation, {}, asker_of(operation.name))])  # all is imported
    return _median([running.call([event]) for event in events], 1)


def _warm_request(running: RunningFunction, operation: Operation) -> Cost:
    event = request(operation, FIXED, asker_of(operation.name))
    running.call([event] * CALLS)
    return _median([running.call([event] * CALLS) for _ in range(ROUNDS)], CALLS)


def _median(reports: Sequence[Report], calls: int) -> Cost:
    return Cost(
        median(report.cpu for report in reports) / calls,
        median(report.seconds for report in reports) * 1000 / calls,
    )


def _findings(costs: dict[str, tuple[Cost, Cost]]) -> Findings:
    (first, warm), (own_first, own_warm) = costs["the tenant's"], costs["the function's own"]
    row = Row(
        budget="credentials of the tenant: CPU and time beyond the function's own",
        measured=f"first request of a tenant in a container {_told(first, own_first)}; "
        f"warm request {_told(warm, own_warm)}",
        bound="none of the design's",
        within=None,
        is_count=False,
    )
    lines = [
        (title, *(f"{figure:.2f}" for cost in pair for figure in (cost.cpu, cost.clock)))
        for title, pair in costs.items()
    ]
    columns = ("credentials", "first, CPU-ms", "first, ms", "warm, CPU-ms", "warm, ms")
    return Findings([row], [Detail("A request with credentials of its tenant", columns, lines)])


def _told(cost: Cost, own: Cost) -> str:
    return f"{cost.cpu - own.cpu:+.2f} CPU-ms, {cost.clock - own.clock:+.2f} ms"
