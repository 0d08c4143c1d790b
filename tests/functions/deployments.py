"""Deployments and rollouts that stand where they can be told something, each of them once.

The items are the benchmarks' examples; of what a rollout goes through to get there, other tests tell.
"""

from controlplane.adapters.dynamodb_deployment_keys import (
    deployment_key,
    history_key,
    rollout_key,
    tick_key,
)
from controlplane.adapters.dynamodb_items import as_item
from controlplane.serving.model import ServingState
from local.bench import entities
from local.bench.names import COMMANDS
from tests.functions.cloud import Cloud

DEPLOYMENT = "/projects/{project}/deployments/{deployment}"
ROLLOUT = f"{DEPLOYMENT}/rollouts/{{rollout}}"
LONGEST = max(COMMANDS)
_SERVING = {
    "running": ServingState.RUNNING,
    "warm": ServingState.RUNNING,
    "stopped": ServingState.STOPPED,
}
# What each operation is asked about that needs a deployment, or a rollout, in a state of its own. The lists are
# those of the rollout whose copies make them long in `test_calls_to_aws`.
TOLD = {
    f"POST {ROLLOUT}/{command}": {"deployment": command, "rollout": entities.ROLLOUT}
    for command in COMMANDS
} | {
    f"POST {DEPLOYMENT}/stop": {"deployment": "running"},
    f"POST {DEPLOYMENT}/resume": {"deployment": "stopped"},
    f"POST {DEPLOYMENT}/rollback": {"deployment": "warm"},
    f"POST {DEPLOYMENT}/plan": {"deployment": "warm"},
    f"GET {DEPLOYMENT}/rollouts": {"deployment": LONGEST},
    f"GET {ROLLOUT}/ticks": {"deployment": LONGEST, "rollout": entities.ROLLOUT},
}


def put_deployments(
    cloud: Cloud, tenant: str = "acme", project: str = "vision", said: str = "nothing"
) -> None:
    """One for each thing that can be told once; the rollouts await approval and have been looked at.

    `said` stands in what a rollout's record, history and ticks show.
    """
    items = []
    tick = entities.tick(1).model_copy(update={"note": said})
    for command in COMMANDS:
        busy = entities.commanded(command, paused=command == "resume")
        record = entities.commanded_rollout(command, paused=command == "resume")
        record = record.model_copy(update={"requested_by": said})
        key = rollout_key(tenant, project, command, entities.ROLLOUT)
        items.append(as_item(key, record))
        items.append(as_item(history_key(tenant, project, record), record))
        items.append(as_item(tick_key(tenant, project, command, tick), tick))
        items.append(as_item(deployment_key(tenant, project, command), busy))
    for word, serving in _SERVING.items():
        found = entities.deployment(word, serving)
        items.append(as_item(deployment_key(tenant, project, word), found))
    cloud.put_many(items)
