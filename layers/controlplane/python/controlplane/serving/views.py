"""Deployments and rollouts as callers see them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from controlplane.identifiers import route_name, serving_namespace
from controlplane.reasons import Reason
from controlplane.serving.model import (
    Deployment,
    DeploymentStatus,
    EndedRollout,
    Rollout,
    RolloutState,
)


class RevisionView(BaseModel):
    """A revision with its share of the traffic."""

    version: int
    name: str
    since: datetime
    traffic_percent: int


class Endpoints(BaseModel):
    """URLs that can be called as they are: KServe's V1 and V2 (Open Inference) protocols."""

    v1: str
    v2: str


class PendingRolloutView(BaseModel):
    """A rollout that runs or waits."""

    rollout: str
    version: int
    state: RolloutState


class EndedRolloutView(PendingRolloutView):
    """The rollout that ended last, and why it ended as it did."""

    ended_at: datetime
    reason: Reason | None

    @classmethod
    def of(cls, ended: EndedRollout) -> Self:
        return cls(
            rollout=ended.rollout_id,
            version=ended.model_version,
            state=ended.state,
            ended_at=ended.ended_at,
            reason=ended.reason,
        )


class DeploymentView(BaseModel):
    """A deployment: what it serves, what is going on, and where to call it."""

    name: str
    model: str
    status: DeploymentStatus
    created_at: datetime
    stable: RevisionView | None
    canary: RevisionView | None = Field(description="Takes part of the traffic while it is judged")
    running: PendingRolloutView | None
    waiting: PendingRolloutView | None
    last_rollout: EndedRolloutView | None
    endpoints: Endpoints

    @classmethod
    def of(cls, tenant_id: str, project: str, found: Deployment, ingress_url: str) -> Self:
        stable, active, waiting = found.stable, found.active, found.waiting
        return cls(
            name=found.name,
            model=found.model,
            status=found.status,
            created_at=found.created_at,
            stable=stable
            and RevisionView(
                version=stable.model_version,
                name=stable.name,
                since=stable.since,
                traffic_percent=100,
            ),
            canary=None,
            running=active and _pending(active.rollout_id, active.model_version, True),
            waiting=waiting and _pending(waiting.rollout_id, waiting.model_version, False),
            last_rollout=found.last_rollout and EndedRolloutView.of(found.last_rollout),
            endpoints=_endpoints(tenant_id, project, found.name, ingress_url),
        )


class RolloutView(BaseModel):
    """One rollout, from its request to its end."""

    rollout: str
    deployment: str
    version: int
    state: RolloutState
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    reason: Reason | None

    @classmethod
    def of(cls, rollout: Rollout) -> Self:
        renamed = {"rollout": rollout.rollout_id, "version": rollout.model_version}
        return cls.model_validate(rollout.model_dump() | renamed)


def _pending(rollout_id: str, version: int, running: bool) -> PendingRolloutView:
    state = RolloutState.RUNNING if running else RolloutState.WAITING
    return PendingRolloutView(rollout=rollout_id, version=version, state=state)


def _endpoints(tenant_id: str, project: str, name: str, ingress_url: str) -> Endpoints:
    path = f"/serving/{serving_namespace(tenant_id)}/{route_name(project, name)}"
    base = ingress_url.rstrip("/") + path
    return Endpoints(v1=f"{base}/v1/models/{name}:predict", v2=f"{base}/v2/models/{name}/infer")
