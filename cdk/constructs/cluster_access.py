"""How functions are let into the cluster: by their roles on EKS, by a stored token anywhere else."""

from typing import Protocol

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.target import Target

# Groups of the cluster, bound to rights by cluster/headrace; the ServiceAccounts elsewhere bear the same names.
SERVING = "headrace"
ONBOARDING = "headrace-onboarding"


class ClusterSecrets(Protocol):
    """Where the tokens of the two accounts are kept; None with an EKS cluster, which asks for none."""

    cluster_secret: secretsmanager.Secret | None
    onboarding_cluster_secret: secretsmanager.Secret | None


class ClusterAccess(Construct):
    """Gives functions of a stack one of the two accounts that the cluster knows.

    Their permissions in AWS end with the way in; what they may do there is said in the cluster.
    """

    def __init__(self, scope: Construct, id: str, *, target: Target, data: ClusterSecrets) -> None:
        super().__init__(scope, id)
        self._target = target
        self._data = data

    def allow(self, function: ControlPlaneFunction) -> None:
        """For functions that serve tenants: they may act as a tenant's `deployer`, and do nothing else."""
        self._enter(function, SERVING, self._data.cluster_secret)

    def allow_onboarding(self, function: ControlPlaneFunction) -> None:
        """For functions that make, change and remove tenants; told what the tenants' pods may reach."""
        self._enter(function, ONBOARDING, self._data.onboarding_cluster_secret)
        function.add_environment("STORAGE_CIDRS", self._target.storage_cidrs)
        function.add_environment("CLUSTER_API_CIDRS", self._target.cluster_api_cidrs)

    def _enter(
        self,
        function: ControlPlaneFunction,
        group: str,
        secret: secretsmanager.Secret | None,
    ) -> None:
        if secret:
            function.add_environment("CLUSTER_SECRET_ARN", secret.secret_arn)
            function.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
            return
        name = self._target.cluster_name
        function.add_environment("CLUSTER_NAME", name)
        function.allow(
            ["eks:DescribeCluster"],
            Stack.of(self).format_arn(service="eks", resource="cluster", resource_name=name),
        )
        assert function.role is not None  # noqa: S101 - every function of ours has one
        # The resource by its type: CDK's module for EKS takes seconds to load for this one.
        CfnResource(
            self,
            f"{function.node.id}Entry",
            type="AWS::EKS::AccessEntry",
            properties={
                "ClusterName": name,
                "PrincipalArn": function.role.role_arn,
                "KubernetesGroups": [group],
                "Type": "STANDARD",
            },
        )
