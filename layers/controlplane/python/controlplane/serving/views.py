"""Deployments and rollouts as callers see them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from controlplane.identifiers import revision_name, route_name, serving_namespace
from controlplane.reasons import Reason
from controlplane.serving.model import (
    ActiveRollout,
    Deployment,
    DeploymentStatus,
    EndedRollout,
    RetiringRevision,
    ServingState,
)
from controlplane.serving.prices import cost_per_hour
from controlplane.serving.states import Mechanism, Phase, RolloutState


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


class CanaryView(BaseModel):
    """The revision that is on its way, with the share of the traffic that it is given."""

    version: int
    name: str
    traffic_percent: int


class PreviousView(BaseModel):
    """The revision before, kept running for a rollback at once, and what that costs (an estimate, in micro-USD)."""

    version: int
    name: str
    kept_until: datetime
    cost_per_hour_micro_usd: int

    @classmethod
    def of(cls, kept: RetiringRevision) -> Self:
        return cls(
            version=kept.model_version,
            name=kept.name,
            kept_until=kept.retire_at,
            cost_per_hour_micro_usd=cost_per_hour(kept.settings, kept.gpus),
        )


class WaitingRolloutView(BaseModel):
    """A rollout that waits for its turn."""

    rollout: str
    version: int
    state: RolloutState


class RunningRolloutView(WaitingRolloutView):
    """A rollout that runs. `step` counts from 1 in the strategy's steps."""

    phase: Phase
    step: int
    percent: int
    paused: bool
    deadline: datetime


class EndedRolloutView(WaitingRolloutView):
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
    serving: ServingState
    created_at: datetime
    stable: RevisionView | None
    canary: CanaryView | None = Field(description="Takes part of the traffic while it is judged")
    previous: PreviousView | None
    running: RunningRolloutView | None
    waiting: WaitingRolloutView | None
    last_rollout: EndedRolloutView | None
    endpoints: Endpoints | None = Field(
        description="None where KServe itself makes the address: see the InferenceService's own URL"
    )

    @classmethod
    def of(cls, tenant_id: str, project: str, found: Deployment, ingress_url: str) -> Self:
        stable, active, waiting = found.stable, found.active, found.waiting
        canary = _canary(project, found) if active else None
        return cls(
            name=found.name,
            model=found.model,
            status=found.status,
            serving=found.serving,
            created_at=found.created_at,
            stable=stable
            and RevisionView(
                version=stable.model_version,
                name=stable.name,
                since=stable.since,
                traffic_percent=100 - (canary.traffic_percent if canary else 0),
            ),
            canary=canary,
            previous=found.previous and PreviousView.of(found.previous),
            running=active and _running(active),
            waiting=waiting
            and WaitingRolloutView(
                rollout=waiting.rollout_id,
                version=waiting.model_version,
                state=RolloutState.WAITING,
            ),
            last_rollout=found.last_rollout and EndedRolloutView.of(found.last_rollout),
            endpoints=_endpoints(tenant_id, project, found.name, ingress_url)
            if stable is None or stable.mechanism is Mechanism.ROUTE
            else None,
        )


def _canary(project: str, found: Deployment) -> CanaryView | None:
    """None where nothing is moved: the version that rolls out is the one that is served."""
    active, stable = found.active, found.stable
    if active is None or (stable and stable.model_version == active.model_version):
        return None
    return CanaryView(
        version=active.model_version,
        name=revision_name(project, found.name, active.model_version),
        traffic_percent=active.percent,
    )


def _running(active: ActiveRollout) -> RunningRolloutView:
    return RunningRolloutView(
        rollout=active.rollout_id,
        version=active.model_version,
        state=RolloutState.RUNNING,
        phase=active.phase,
        step=active.step + 1,
        percent=active.percent,
        paused=active.paused,
        deadline=active.deadline,
    )


def _endpoints(tenant_id: str, project: str, name: str, ingress_url: str) -> Endpoints:
    path = f"/serving/{serving_namespace(tenant_id)}/{route_name(project, name)}"
    base = ingress_url.rstrip("/") + path
    return Endpoints(v1=f"{base}/v1/models/{name}:predict", v2=f"{base}/v2/models/{name}/infer")
