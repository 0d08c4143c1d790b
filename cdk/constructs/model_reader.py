"""How model servers read their models from S3: one role for the ServiceAccounts of all tenants."""

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge_wildcard
from cdk.constructs.private_bucket import VIA_S3, PrivateBucket
from cdk.target import Target

# What EKS Pod Identity says about the pod that asks; a pod cannot change it.
NAMESPACE = "${aws:PrincipalTag/kubernetes-namespace}"
SERVICE_ACCOUNT = "models"


class ModelReader(iam.Role):
    """Read access to `registry/<namespace>/`, the namespace being the one of the pod that uses the role.

    Associate it with the account `models` of each tenant's namespace. Source of the tags:
    docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
    """

    def __init__(self, scope: Construct, id: str, *, models: PrivateBucket, target: Target) -> None:
        cluster = Stack.of(scope).format_arn(
            service="eks", resource="cluster", resource_name=target.cluster_name
        )
        super().__init__(
            scope,
            id,
            description="Model servers of all tenants, each reading its own tenant's models",
            assumed_by=iam.SessionTagsPrincipal(
                iam.ServicePrincipal(
                    "pods.eks.amazonaws.com",
                    conditions={
                        "StringEquals": {
                            "aws:SourceAccount": Aws.ACCOUNT_ID,
                            "aws:RequestTag/eks-cluster-arn": cluster,
                            "aws:RequestTag/kubernetes-service-account": SERVICE_ACCOUNT,
                        }
                    },
                )
            ),
        )
        own = f"registry/{NAMESPACE}/*"
        acknowledge_wildcard(
            self, models.arn_for_objects(own), "The models of one tenant are told apart by prefix"
        )
        statements = (
            (["s3:GetObject"], models.arn_for_objects(own), None),
            (["s3:ListBucket"], models.bucket_arn, {"StringLike": {"s3:prefix": own}}),
            (["kms:Decrypt"], models.key.key_arn, VIA_S3),
        )
        for actions, resource, conditions in statements:
            self.add_to_policy(
                iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions)
            )
