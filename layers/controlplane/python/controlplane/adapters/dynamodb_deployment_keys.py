"""Where deployments and their rollouts are, in the project's partition.

DEPLOYMENT#<name>, ROLLOUT#<name>#<id>, and beside each rollout HISTORY#<name>#<when it was asked for>#<id>: what a list
shows, in its order. TICK#<name>#<id>#<number> expire after 90 days.
"""

from controlplane.adapters.dynamodb_table import Key, project_partition
from controlplane.serving.model import Rollout
from controlplane.serving.progress import Tick


def deployment_key(tenant_id: str, project: str, name: str) -> Key:
    return Key(project_partition(tenant_id, project), f"DEPLOYMENT#{name}")


def rollout_key(tenant_id: str, project: str, deployment: str, rollout_id: str) -> Key:
    return Key(project_partition(tenant_id, project), f"ROLLOUT#{deployment}#{rollout_id}")


def history_key(tenant_id: str, project: str, rollout: Rollout) -> Key:
    asked = f"{rollout.requested_at:%Y-%m-%dT%H:%M:%S.%f}"
    sk = f"HISTORY#{rollout.deployment}#{asked}#{rollout.rollout_id}"
    return Key(project_partition(tenant_id, project), sk)


def tick_key(tenant_id: str, project: str, deployment: str, tick: Tick) -> Key:
    sk = f"TICK#{deployment}#{tick.rollout_id}#{tick.number:06d}"
    return Key(project_partition(tenant_id, project), sk)
