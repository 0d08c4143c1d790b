"""CPU of the question to the policies that every request asks."""

import json
from collections.abc import Sequence

from local.bench.budgets import Detail, Findings, Row
from local.bench.entities import RESTRICTION
from local.bench.functions import run_isolated
from local.bench.packages import Function, HostCode

DECISIONS = 2_000
FUNCTION = "projects/api"
# Runs where the functions do: of this environment it sees nothing. Answers with CPU-ms by the way of asking.
PROGRAM = f"""
import json, time
from datetime import UTC, datetime
started = time.process_time()
from controlplane.adapters.cedar_policies import CedarPolicies
from controlplane.authorization.decision import Caller, Circumstances, Request, Restrictions, resource_of
imported = time.process_time()
engine = CedarPolicies()
parsed = time.process_time()
caller = Caller("User", "sub", "ada", frozenset({{"developer"}}), "acme")
circumstances = Circumstances(False, False, "Active", "203.0.113.7", datetime.now(UTC))
own = Restrictions("acme", "digest", {{"freeze": {RESTRICTION!r}}})

def cpu_ms(restrictions, names):
    begun = time.process_time()
    for name in names:
        asked = Request(caller, "getProject", resource_of("acme", {{"project": name}}), circumstances)
        assert engine.decide(asked, restrictions).allowed
    return (time.process_time() - begun) * 1000 / len(names)

same, others = ["vision"] * {DECISIONS}, [f"p{{n}}" for n in range({DECISIONS})]
cpu_ms(None, same), cpu_ms(own, same)
print(json.dumps({{
    "import of Cedar": (imported - started) * 1000,
    "parsing the policies, once a container": (parsed - imported) * 1000,
    "a decision": cpu_ms(None, same),
    "a decision, on other resources each time": cpu_ms(None, others),
    "a decision, with a policy of the tenant's own": cpu_ms(own, same),
    "a decision, both": cpu_ms(own, others),
}}))
"""


def measure_decisions(code: HostCode, functions: Sequence[Function]) -> Findings:
    """How much of a request's CPU the decision takes. It asks nothing outside the process."""
    function = next(each for each in functions if each.entry == FUNCTION)
    costs: dict[str, float] = json.loads(run_isolated(code, function, PROGRAM))
    row = Row(
        budget="CPU of one decision by the policies, part of every request's",
        measured=f"{costs['a decision']:.3f} ms; at most {costs['a decision, both']:.3f} ms "
        "for a tenant with a policy of its own",
        bound="none of its own",
        within=None,
        is_count=False,
    )
    lines = [(what, f"{cost:.3f}") for what, cost in costs.items()]
    return Findings([row], [Detail("Decisions by Cedar", ("what", "CPU-ms"), lines)])
