"""Who may do what in a tenant's namespaces.

The rights stand in two ClusterRoles that GitOps installs (`cluster/headrace`); a tenant has RoleBindings to them. So
the account that makes tenants needs only the right to bind these two, and neither the rights themselves in every
namespace nor the verb `escalate`.
"""

from controlplane.adapters.tenant_objects import Manifest, tenant_object
from controlplane.identifiers import runs_namespace, serving_namespace

MODELS = "models"
DEPLOYER = "deployer"
PIPELINES = "pipelines"
DEPLOYER_ROLE = "headrace-deployer"
PIPELINES_ROLE = "headrace-pipelines"


def access(tenant_id: str) -> list[Manifest]:
    """The ServiceAccounts, and the rights of those that have any.

    Model servers never speak to the API, so `models` has no rights and no token; nor has `deployer`, which no pod
    runs as: functions act in its name.
    """
    serving, runs = serving_namespace(tenant_id), runs_namespace(tenant_id)
    return [
        _account(tenant_id, serving, MODELS, token=False),
        _account(tenant_id, serving, DEPLOYER, token=False),
        _account(tenant_id, runs, PIPELINES, token=True),
        _binding(tenant_id, serving, DEPLOYER, DEPLOYER_ROLE),
        _binding(tenant_id, runs, PIPELINES, PIPELINES_ROLE),
    ]


def _account(tenant_id: str, namespace: str, name: str, *, token: bool) -> Manifest:
    return tenant_object(
        "ServiceAccount",
        tenant_id,
        name,
        namespace=namespace,
        automountServiceAccountToken=token,
    )


def _binding(tenant_id: str, namespace: str, account: str, role: str) -> Manifest:
    return tenant_object(
        "RoleBinding",
        tenant_id,
        account,
        namespace=namespace,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    )
