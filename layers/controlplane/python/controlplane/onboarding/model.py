"""Tenants over their life, and what is made for one."""

from dataclasses import dataclass
from enum import StrEnum

from controlplane.limits import Limits


class Isolation(StrEnum):
    """Whether a tenant's pods share nodes with others', or have nodes of their own."""

    SHARED = "shared"
    DEDICATED = "dedicated"


class ClusterStep(StrEnum):
    """What onboarding makes in the cluster, in this order; offboarding removes it in the reverse."""

    NAMESPACES = "namespaces"
    ACCESS = "access"
    NETWORK = "network"
    QUOTAS = "quotas"
    QUEUES = "queues"
    NODES = "nodes"


@dataclass(frozen=True)
class TenantPlan:
    """What the cluster is to hold of a tenant. NODES makes nothing for the shared isolation mode."""

    tenant_id: str
    isolation: Isolation
    limits: Limits
