"""In-memory implementations of the ports. Tests use these, not mocks.

Repositories that write to each other's items share one `MemoryTable`, as the real ones share the table.
"""

from tests.fakes.artifacts import MemoryArtifacts, MemoryUploadAuthority
from tests.fakes.auditing import (
    MemoryAnchors,
    MemoryAudit,
    MemoryChangeQueue,
    MemoryDeadLetters,
)
from tests.fakes.bus import MemoryBus, MemoryFailedRecords
from tests.fakes.clock import Clock, clock_stopped
from tests.fakes.cluster import MemoryCluster
from tests.fakes.deployments import (
    MemoryAliasDirectory,
    MemoryDeployments,
    MemoryLimits,
    MemoryServingPolicies,
    MemoryVersionCatalog,
)
from tests.fakes.models import (
    MemoryAliases,
    MemoryModels,
    MemoryProjectDirectory,
    MemoryRegistryPolicies,
)
from tests.fakes.people import MemoryMachines, MemoryPeople, MemoryPrincipals
from tests.fakes.policies import MemoryChecker, MemoryPolicies
from tests.fakes.projects import MemoryProjects
from tests.fakes.quotas import MemoryInventory, MemoryUse
from tests.fakes.signing import MemoryScanner, MemorySigningKeys, MemoryVerifier
from tests.fakes.table import MemoryTable
from tests.fakes.tenants import MemoryAccess, MemoryMemberships
from tests.fakes.uploads import MemoryUploads
from tests.fakes.user_pool import MemoryUserPool
from tests.fakes.webhooks import (
    MemoryDeliveries,
    MemoryMessenger,
    MemoryQueue,
    MemoryWebhooks,
)

__all__ = [
    "Clock",
    "MemoryAccess",
    "MemoryAliasDirectory",
    "MemoryAliases",
    "MemoryAnchors",
    "MemoryArtifacts",
    "MemoryAudit",
    "MemoryBus",
    "MemoryChangeQueue",
    "MemoryChecker",
    "MemoryCluster",
    "MemoryDeadLetters",
    "MemoryDeliveries",
    "MemoryDeployments",
    "MemoryFailedRecords",
    "MemoryInventory",
    "MemoryLimits",
    "MemoryMachines",
    "MemoryMemberships",
    "MemoryMessenger",
    "MemoryModels",
    "MemoryPeople",
    "MemoryPolicies",
    "MemoryPrincipals",
    "MemoryProjectDirectory",
    "MemoryProjects",
    "MemoryQueue",
    "MemoryRegistryPolicies",
    "MemoryScanner",
    "MemoryServingPolicies",
    "MemorySigningKeys",
    "MemoryTable",
    "MemoryUploadAuthority",
    "MemoryUploads",
    "MemoryUse",
    "MemoryUserPool",
    "MemoryVerifier",
    "MemoryVersionCatalog",
    "MemoryWebhooks",
    "clock_stopped",
]
