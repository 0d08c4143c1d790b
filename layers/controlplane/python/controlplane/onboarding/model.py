"""Tenants over their life, and what is made for one."""

from enum import StrEnum


class ClusterStep(StrEnum):
    """What onboarding makes in the cluster, in this order; offboarding removes it in the reverse."""

    NAMESPACES = "namespaces"
    ACCESS = "access"
    NETWORK = "network"
    QUOTAS = "quotas"
    QUEUES = "queues"
    NODES = "nodes"
