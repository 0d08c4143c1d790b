"""EKS Pod Identity: which ServiceAccount of a tenant gets AWS credentials, and of which role.

One role serves all tenants: EKS tags its sessions with the pod's namespace, and the role's policy names the bucket's
folders by that tag (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html).
"""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError
from controlplane.identifiers import serving_namespace
from controlplane.onboarding.model import TenantRecord
from controlplane.onboarding.ports import Removal

if TYPE_CHECKING:
    from types_boto3_eks.client import EKSClient

NO_EKS = (
    "the cluster is no EKS cluster: whoever runs it gives its ServiceAccounts access to the bucket"
)


# The account of the model servers; the role's trust policy names it as well.
SERVICE_ACCOUNT = "models"


class TenantStorageAccess:
    """A TenantPart on an EKS cluster."""

    def __init__(self, client: "EKSClient", cluster: str, role_arn: str) -> None:
        self._client = client
        self._cluster = cluster
        self._role_arn = role_arn

    def apply(self, tenant: TenantRecord, /) -> str | None:
        try:
            self._client.create_pod_identity_association(
                clusterName=self._cluster,
                namespace=serving_namespace(tenant.tenant_id),
                serviceAccount=SERVICE_ACCOUNT,
                roleArn=self._role_arn,
                tags={"headrace:tenant": tenant.tenant_id},
            )
        except self._client.exceptions.ResourceInUseException:
            return None  # there is one already: this call was made before
        except (ClientError, BotoCoreError) as failed:
            raise _unavailable(tenant.tenant_id) from failed
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        try:
            found = self._client.list_pod_identity_associations(
                clusterName=self._cluster,
                namespace=serving_namespace(tenant.tenant_id),
                serviceAccount=SERVICE_ACCOUNT,
            )["associations"]
            for association in found:
                self._client.delete_pod_identity_association(
                    clusterName=self._cluster, associationId=association["associationId"]
                )
        except self._client.exceptions.ResourceNotFoundException:
            return Removal(gone=True)  # somebody else has removed it meanwhile
        except (ClientError, BotoCoreError) as failed:
            raise _unavailable(tenant.tenant_id) from failed
        return Removal(gone=True, count=len(found))


class NoStorageAccess:
    """The TenantPart of a cluster that knows no Pod Identity: there is nothing to make and nothing to remove."""

    def apply(self, _tenant: TenantRecord, /) -> str | None:
        return NO_EKS

    def remove(self, _tenant: TenantRecord, _position: str | None, /) -> Removal:
        return Removal(gone=True, note=NO_EKS)


def _unavailable(tenant_id: str) -> UnavailableError:
    return UnavailableError(f"EKS did not set up the Pod Identity of tenant {tenant_id}")
