"""Any tenant with any limits, and everything that Headrace would write for it."""

from hypothesis import strategies as st

from controlplane.adapters.tenant_access import access
from controlplane.adapters.tenant_namespaces import namespaces
from controlplane.adapters.tenant_network import Openings, network
from controlplane.adapters.tenant_nodes import node_pool
from controlplane.adapters.tenant_objects import Manifest
from controlplane.adapters.tenant_queues import queues
from controlplane.adapters.tenant_quotas import quotas
from controlplane.identifiers import NAME_PATTERN, is_reserved_tenant_id
from controlplane.limits import GIB, Isolation, Limits, TenantPlan

OPENINGS = Openings(
    storage=("52.216.0.0/15",),
    api_server=("10.100.0.0/16",),
    gateway="gateway",
    pipelines="pipelines",
    monitoring="monitoring",
)


def tenant_ids() -> st.SearchStrategy[str]:
    """Names that a tenant may bear."""
    names = st.from_regex(NAME_PATTERN, fullmatch=True).filter(lambda name: len(name) <= 30)
    return names.filter(lambda name: not is_reserved_tenant_id(name))


def limits() -> st.SearchStrategy[Limits]:
    return st.builds(
        Limits,
        deployments=st.integers(0, 10_000),
        cpu_millicores=st.integers(0, 10_000_000),
        memory_bytes=st.integers(0, 100_000 * GIB),
        gpus=st.integers(0, 10_000),
        pods=st.integers(0, 100_000),
    )


def plans() -> st.SearchStrategy[TenantPlan]:
    return st.builds(TenantPlan, tenant_ids(), st.sampled_from(Isolation), limits())


def objects_of(plan: TenantPlan) -> list[Manifest]:
    """What every step together writes."""
    return [
        *namespaces(plan),
        *access(plan.tenant_id),
        *network(plan.tenant_id, OPENINGS),
        *quotas(plan),
        *queues(plan),
        *([node_pool(plan)] if plan.isolation is Isolation.DEDICATED else []),
    ]
