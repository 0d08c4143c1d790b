"""Rollouts in a real cluster: reads what decides, lets the mechanism's compiler write it down, and sends that.

Every call is made in the name of the tenant's own account, so that none reaches another tenant's namespace.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from controlplane.adapters.cluster_paths import service_path
from controlplane.adapters.kserve_manifests import ROLLOUT
from controlplane.adapters.kserve_routes import Gateway
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.kubernetes_revisions import placement_of
from controlplane.adapters.rollout_changes import Surroundings
from controlplane.adapters.rollout_compilers import compiler_of
from controlplane.adapters.rollout_guards import as_last_word
from controlplane.errors import ClusterRefusedError, ClusterUnavailableError
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import (
    ClusterChange,
    ClusterSurvey,
    Mechanism,
    RolloutCompiler,
    Traffic,
    Transition,
    TransitionObservation,
)

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Reads one mechanism's objects, with the API in the name of the tenant."""

    def observe(self, api: KubernetesApi, transition: Transition) -> TransitionObservation: ...

    def stable_replicas(self, api: KubernetesApi, transition: Transition) -> int:
        """How many replicas the stable revision is to have at present; 0 without one."""
        ...

    def guard(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        """The changes of traffic, tied to the state on which they are decided.

        Raises ConcurrentChangeError when this rollout was rolled back already, ClusterRefusedError when the cluster
        would take them for something else.
        """
        ...

    def guard_end(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        """The same of what is done after the end: none when a later rollout has written the deployment's traffic."""
        ...


class Preflight(Protocol):
    """What can be known about the cluster before a rollout."""

    def survey(self, tenant_id: str) -> ClusterSurvey: ...

    def find_obstacles(self, transition: Transition, around: Surroundings) -> Sequence[Reason]: ...


class KubernetesRollouts:
    """A RolloutCluster. `gateway` is the namespace and name of the Gateway that the routes hang on."""

    def __init__(
        self,
        api: KubernetesApi,
        gateway: Gateway,
        observers: Mapping[Mechanism, Observer],
        preflight: Preflight,
    ) -> None:
        self._api = api
        self._gateway = gateway
        self._observers = observers
        self._preflight = preflight

    def survey(self, tenant_id: str) -> ClusterSurvey:
        return self._preflight.survey(tenant_id)

    def find_obstacles(self, transition: Transition) -> Sequence[Reason]:
        around = self._around(self._deployer(transition), transition)
        return self._preflight.find_obstacles(transition, around)

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        compiler = self._compiler(transition, self._around(self._deployer(transition), transition))
        return self._guarded(transition, compiler.prepare(transition))

    def observe(self, transition: Transition) -> TransitionObservation:
        observer = self._observers[transition.mechanism]
        return observer.observe(self._deployer(transition), transition)

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]:
        return self._guarded(transition, self._compiler(transition).shift(transition, traffic))

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        compiler = self._compiler(transition, self._needed(transition))
        return self._guarded(transition, compiler.promote(transition))

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        """Without a read that it needs: nothing may stand between a breach and the stable revision."""
        compiler = self._compiler(transition, self._placed(transition))
        return self._sent(transition, compiler.roll_back(transition))

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        changes = self._compiler(transition).resize_stable(transition, replicas)
        return self._sent(transition, changes)

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        """Nothing of it when a later rollout has had the traffic since."""
        compiler = self._compiler(transition, self._needed(transition))
        return self._ended(transition, compiler.finish(transition, promoted=promoted))

    def restore(self, transition: Transition) -> Sequence[ClusterChange]:
        transition = replace(transition, in_place=True)
        compiler = self._compiler(transition, self._around(self._deployer(transition), transition))
        changes = [as_last_word(change) for change in compiler.prepare(transition)]
        return self._ended(transition, changes)

    def _compiler(
        self, transition: Transition, around: Surroundings | None = None
    ) -> RolloutCompiler:
        return compiler_of(transition.mechanism, around or Surroundings(self._gateway))

    def _needed(self, transition: Transition) -> Surroundings | None:
        """Where traffic is moved within one object, its pods' fields are written along; a route has none."""
        if transition.mechanism is Mechanism.ROUTE:
            return None
        return self._around(self._deployer(transition), transition)

    def _placed(self, transition: Transition) -> Surroundings | None:
        """`spec.canary` is written whole, and the nodes of a tenant's own are part of it, where they can be read."""
        if transition.mechanism is not Mechanism.SPEC_CANARY:
            return None
        try:
            return self._around(self._deployer(transition), transition)
        except (ClusterUnavailableError, ClusterRefusedError) as unread:
            logger.warning("a rollback goes on without the tenant's own placement: %s", unread)
            return None

    def _around(self, api: KubernetesApi, transition: Transition) -> Surroundings:
        # A revision that is warm stays as large as it is: the way back waits for no more copies than there are.
        kept = replace(transition, stable=transition.canary) if transition.warm else transition
        replicas = self._observers[transition.mechanism].stable_replicas(api, kept)
        where = placement_of(api, transition.tenant_id)
        return Surroundings(self._gateway, where, replicas, _taken_by(api, transition))

    def _guarded(
        self, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        observer = self._observers[transition.mechanism]
        return self._sent(
            transition, observer.guard(self._deployer(transition), transition, changes)
        )

    def _ended(
        self, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        observer = self._observers[transition.mechanism]
        return self._sent(
            transition, observer.guard_end(self._deployer(transition), transition, changes)
        )

    def _sent(
        self, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        api = self._deployer(transition)
        for change in changes:
            send(api, change)
        return changes

    def _deployer(self, transition: Transition) -> KubernetesApi:
        return self._api.as_deployer(transition.tenant_id)


def _taken_by(api: KubernetesApi, transition: Transition) -> str:
    """Whose an object is whose pods are to stay: with another name in it they would be of another template."""
    stays = transition.in_place or transition.warm
    if not stays or transition.mechanism is not Mechanism.ROUTE:
        return ""
    found = api.find(service_path(transition.tenant_id, transition.canary.name)) or {"metadata": {}}
    return str((found["metadata"].get("annotations") or {}).get(ROLLOUT, ""))


def send(api: KubernetesApi, change: ClusterChange) -> None:
    body: Any = change.body
    match change.verb:
        case "apply":
            api.apply(change.path, body)
        case "json-patch":
            api.patch(change.path, body)
        case "merge-patch":
            api.merge(change.path, body)
        case "delete":
            api.delete(change.path)
