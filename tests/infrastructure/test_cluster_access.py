"""How functions come into the cluster, and how model servers come to their models."""

from collections.abc import Callable
from typing import Any

import pytest

from cdk.paths import Sources
from cdk.target import Target
from tests.infrastructure.assembly import Assembly

REACHING = (
    "check_rollout",
    "prepare_revision",
    "advance_rollout",
    "finish_rollout",
    "retire_revision",
    "switch_deployment",
)


@pytest.fixture(scope="module", params=["aws", "embedded"])
def with_secrets(
    request: pytest.FixtureRequest, synthesize: Callable[..., Assembly], embedded: Assembly
) -> Assembly:
    """Stacks for a cluster that is no EKS cluster, on both targets."""
    return synthesize(target="aws") if request.param == "aws" else embedded


def settings(assembly: Assembly, entry: str) -> dict[str, Any]:
    return next(f.settings for f in assembly.functions() if f.entry == entry)


def test_each_account_has_a_secret_of_its_own_where_the_cluster_is_no_eks(
    with_secrets: Assembly,
) -> None:
    assembly, outputs = with_secrets, with_secrets.outputs

    assert outputs["ClusterSecretArn"] != outputs["OnboardingClusterSecretArn"]
    arns = [settings(assembly, f"serving/{task}")["CLUSTER_SECRET_ARN"] for task in REACHING]
    assert all(arn == arns[0] for arn in arns)
    assert "OnboardingClusterSecret" not in str(arns)
    readers = {
        statement.holder
        for statement in assembly.role_statements()
        if "secretsmanager:GetSecretValue" in statement.actions
        and "OnboardingClusterSecret" in str(statement.resources)
    }
    assert [holder for holder in readers if holder.startswith("Serving/")] == []


def test_on_eks_each_function_has_an_access_entry_with_one_group(on_aws: Assembly) -> None:
    entries = {
        entry.properties["PrincipalArn"]["Fn::GetAtt"][0]: entry.properties
        for entry in on_aws.resources("AWS::EKS::AccessEntry")
        if entry.stack == "Serving"
    }

    assert len(entries) == len(REACHING)
    for entry in entries.values():
        assert entry["ClusterName"] == "tenants"
        assert entry["KubernetesGroups"] == ["headrace"]
        assert entry["Type"] == "STANDARD"
    described = [
        s
        for s in on_aws.role_statements()
        if "eks:DescribeCluster" in s.actions and s.holder.startswith("Serving/")
    ]
    assert len(described) == len(REACHING)
    assert all("cluster/tenants" in str(s.resources) for s in described)


def test_no_other_cluster_gets_access_entries_or_the_readers_role(with_secrets: Assembly) -> None:
    assert with_secrets.resources("AWS::EKS::AccessEntry") == []
    assert [r for r in with_secrets.resources("AWS::IAM::Role") if "ModelReader" in r.name] == []


def test_model_servers_read_the_models_of_their_own_namespace_alone(on_aws: Assembly) -> None:
    (role,) = [
        r for r in on_aws.resources("AWS::IAM::Role") if r.name.startswith("Data/ModelReader")
    ]
    (trust,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    statements = {s.actions[0]: s for s in on_aws.statements_of("Data/ModelReader")}
    own = "registry/${aws:PrincipalTag/kubernetes-namespace}/*"

    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert set(trust["Action"]) == {"sts:AssumeRole", "sts:TagSession"}
    condition = trust["Condition"]["StringEquals"]
    assert condition["aws:RequestTag/kubernetes-service-account"] == "models"
    assert "cluster/tenants" in str(condition["aws:RequestTag/eks-cluster-arn"])
    assert set(statements) == {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"}
    assert all(len(s.actions) == 1 for s in statements.values())
    (objects,) = statements["s3:GetObject"].resources
    assert str(objects).endswith(f"/{own}']]}}")
    assert statements["s3:ListBucket"].conditions == {"StringLike": {"s3:prefix": own}}
    assert "kms:ViaService" in str(statements["kms:Decrypt"].conditions)


def test_the_embedded_cluster_is_told_where_its_storage_is() -> None:
    assert Target.parse({"target": "embedded"}, Sources()).storage_cidrs == "127.0.0.1/32"
    assert Target.parse({}, Sources()).storage_cidrs == ""


def test_onboarding_functions_are_told_what_pods_may_reach(embedded: Assembly) -> None:
    from aws_cdk import App, Stack  # noqa: PLC0415 - CDK must find its Node, see conftest.py

    from cdk.constructs.cluster_access import ClusterAccess  # noqa: PLC0415 - see above
    from cdk.constructs.control_plane_function import (  # noqa: PLC0415 - see above
        ControlPlaneFunction,
    )
    from cdk.stacks.data import DataStack  # noqa: PLC0415 - see above

    target = Target(name="embedded", storage_cidrs="3.5.0.0/19", cluster_api_cidrs="10.0.0.0/16")
    app = App()
    data, stack = DataStack(app, "Data", target=target), Stack(app, "Test", env=target.environment)
    function = ControlPlaneFunction(
        stack, "Apply", entry="onboarding/cluster_step", target=target, layers=[]
    )

    ClusterAccess(stack, "Cluster", target=target, data=data).allow_onboarding(function)

    template = app.synth().get_stack_by_name("Test").template["Resources"]
    (made,) = [r for r in template.values() if r["Type"] == "AWS::Lambda::Function"]
    variables = made["Properties"]["Environment"]["Variables"]
    assert variables["STORAGE_CIDRS"] == "3.5.0.0/19"
    assert variables["CLUSTER_API_CIDRS"] == "10.0.0.0/16"
    assert "OnboardingClusterSecret" in str(variables["CLUSTER_SECRET_ARN"])
