"""The parts of a tenant that other capabilities look after, as onboarding applies and removes them."""

from typing import Protocol

from controlplane.limits import TenantPlan
from controlplane.onboarding.model import ClusterStep, TenantRecord
from controlplane.onboarding.ports import Removal

_ROUNDS = 4  # of removing some of the people, in one call


class TenantCluster(Protocol):
    """A tenant's objects in the cluster."""

    def apply(self, step: ClusterStep, plan: TenantPlan) -> None: ...

    def remove(self, step: ClusterStep, plan: TenantPlan) -> bool: ...

    def enumerate(self, tenant_id: str) -> list[str]: ...


class TenantSubscriptions(Protocol):
    def subscribe(self, tenant_id: str, tier_name: str) -> None: ...

    def unsubscribe_all(self, tenant_id: str) -> bool: ...


class TenantPeople(Protocol):
    """The tenant's people and machines, with their group in the user pool."""

    def ensure_administrator(self, tenant_id: str, name: str, email: str) -> None: ...

    def remove_everyone(self, tenant_id: str) -> bool: ...


class ClusterPart:
    """One step of a tenant's objects in the cluster."""

    def __init__(self, step: ClusterStep, cluster: TenantCluster) -> None:
        self._step = step
        self._cluster = cluster

    def apply(self, tenant: TenantRecord, /) -> str | None:
        self._cluster.apply(self._step, _plan(tenant))
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        before = len(self._cluster.enumerate(tenant.tenant_id))
        gone = self._cluster.remove(self._step, _plan(tenant))
        after = len(self._cluster.enumerate(tenant.tenant_id))
        return Removal(gone, count=max(0, before - after))


class SubscriptionPart:
    """The tenant's subscription to its tier."""

    def __init__(self, subscriptions: TenantSubscriptions) -> None:
        self._subscriptions = subscriptions

    def apply(self, tenant: TenantRecord, /) -> str | None:
        self._subscriptions.subscribe(tenant.tenant_id, tenant.tier)
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        return Removal(gone=self._subscriptions.unsubscribe_all(tenant.tenant_id))


class PeoplePart:
    """The tenant's group in the user pool with its first administrator, and in the end all its people."""

    def __init__(self, people: TenantPeople) -> None:
        self._people = people

    def apply(self, tenant: TenantRecord, /) -> str | None:
        first = tenant.administrator
        if first is None:
            return "the tenant was made without an administrator"
        self._people.ensure_administrator(tenant.tenant_id, first.name, first.email)
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        gone = any(self._people.remove_everyone(tenant.tenant_id) for _ in range(_ROUNDS))
        return Removal(gone)


def _plan(tenant: TenantRecord) -> TenantPlan:
    return TenantPlan(tenant.tenant_id, tenant.isolation, tenant.limits)
