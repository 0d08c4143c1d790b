"""What authorization works with."""

from functools import cache

from controlplane.authorization.ports import PolicyChecker, PolicyEngine, PolicyRepository
from controlplane.runtime.wiring import tables


@cache
def policy_engine() -> PolicyEngine:
    """The policies, parsed once a container."""
    from controlplane.adapters.cedar_policies import CedarPolicies

    return CedarPolicies()


@cache
def policy_checker() -> PolicyChecker:
    from controlplane.adapters.cedar_checker import CedarChecker

    return CedarChecker()


@cache
def policy_repository() -> PolicyRepository:
    from controlplane.adapters.dynamodb_policies import DynamoDBPolicies

    return DynamoDBPolicies(tables.table())
