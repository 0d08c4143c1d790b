"""The one role that API functions take on to work on a tenant's data, and how they come to it."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge_wildcard
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.control_table import KEY_USES, READ, WRITE, ControlTable, via_dynamodb
from cdk.constructs.private_bucket import VIA_S3, PrivateBucket

TENANT_TAG = "tenant_id"
# What an API function's own role bears, so that the tenants' role knows it. The role cannot name those that may take
# it on: they belong to stacks that need this one.
API_TAG = "headrace:tenant-data"

_TENANT = f"${{aws:PrincipalTag/{TENANT_TAG}}}"
_OWN_KEYS = [f"TENANT#{_TENANT}", f"TENANT#{_TENANT}#*"]
# The record of what was done is written from the table's stream, never by a request.
_AUDIT = ["TENANT#*#AUDIT"]
_KEYS = "dynamodb:LeadingKeys"
_OPERATIONS = [f"dynamodb:{operation}" for operation in (*READ, *WRITE)]
# No tenant's name. A tag's value stands in patterns and in keys; STS lets none of the first three into one, and this
# says it again.
_NO_NAMES = ["*${*}*", "*${?}*", "*#*", "*/*"]
# Never granted, and refused by name so that no later statement grants them by accident.
_NEVER = [
    "dynamodb:Scan",
    "dynamodb:PartiQL*",
    "dynamodb:Delete*",
    "dynamodb:BatchWriteItem",
    "dynamodb:Export*",
    "dynamodb:GetRecords",
    "s3:Delete*",
]


class TenantAccess(Construct):
    """Role TenantData: with the session tag `tenant_id`, and with no other, it reaches that tenant's data alone.

    On the table and on each of its indexes, whose keys begin with the tenant as well; in the bucket, uploads and the
    evidence of rollouts below the tenant's prefixes, for the presigned requests that are made with it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        table: ControlTable,
        key: kms.IKey,
        models: PrivateBucket,
    ) -> None:
        super().__init__(scope, id)
        self._table = table
        self.role = iam.Role(
            self,
            "TenantData",
            description="A tenant's own items and uploads; the session's tag names the tenant",
            assumed_by=_trusted(),
            # What AWS grants at most to a role that takes on another one.
            max_session_duration=Duration.hours(1),
        )
        indexes, uploads = (
            f"{table.table_arn}/index/*",
            models.arn_for_objects(f"models/{_TENANT}/*"),
        )
        evidence = models.arn_for_objects(f"evidence/tenant-{_TENANT}/*")
        for statement in (
            *_table_statements([table.table_arn, indexes]),
            *_upload_statements(uploads),
            *_evidence_statements(evidence),
            *_key_statements(key),
            # True of a session without the tag as well.
            _refuse(["*"], {"StringNotLike": {f"aws:PrincipalTag/{TENANT_TAG}": "?*"}}),
            _refuse(["*"], {"StringLike": {f"aws:PrincipalTag/{TENANT_TAG}": _NO_NAMES}}),
        ):
            self.role.add_to_policy(statement)
        acknowledge_wildcard(self.role, indexes, "Each index of the table, its keys held likewise")
        acknowledge_wildcard(self.role, uploads, "The tenant's uploads, below its own prefix")
        acknowledge_wildcard(self.role, evidence, "The evidence of the tenant's own rollouts")

    def allow(self, function: ControlPlaneFunction) -> None:
        """Let an API function work on the tenants that call it, each with a session of its own.

        Its own role keeps what belongs to no tenant: whether a platform administrator's tokens were revoked.
        """
        assert function.role is not None  # noqa: S101 - every function of ours has one
        role = function.role.node.default_child
        assert isinstance(role, iam.CfnRole)  # noqa: S101 - how CDK builds a role
        role.tags.set_tag(API_TAG, "true")
        function.allow(["sts:AssumeRole", "sts:TagSession"], self.role.role_arn)
        function.add_environment("TENANT_ROLE_ARN", self.role.role_arn)
        self._table.allow(function, "GetItem", leading_keys=("PLATFORM",))


def _trusted() -> iam.IPrincipal:
    """API functions of this account, for sessions that name a tenant and nothing else."""
    tag = f"aws:RequestTag/{TENANT_TAG}"
    return iam.SessionTagsPrincipal(
        iam.PrincipalWithConditions(
            iam.AccountRootPrincipal(),
            {
                "StringEquals": {f"aws:PrincipalTag/{API_TAG}": "true"},
                "ForAllValues:StringEquals": {"aws:TagKeys": [TENANT_TAG]},
                "StringLike": {tag: "?*"},
                "StringNotLike": {tag: _NO_NAMES},
            },
        )
    )


def _table_statements(resources: list[str]) -> list[iam.PolicyStatement]:
    """A request that names no keys has none that could be foreign: `Null` refuses it."""
    return [
        iam.PolicyStatement(
            actions=_OPERATIONS,
            resources=resources,
            conditions={
                "ForAllValues:StringLike": {_KEYS: _OWN_KEYS},
                "Null": {_KEYS: "false"},
            },
        ),
        _refuse(["dynamodb:*"], {"ForAnyValue:StringNotLike": {_KEYS: _OWN_KEYS}}),
        _refuse(
            ["dynamodb:PutItem", "dynamodb:UpdateItem"], {"ForAnyValue:StringLike": {_KEYS: _AUDIT}}
        ),
        _refuse(_NEVER),
    ]


def _upload_statements(uploads: str) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(actions=["s3:PutObject", "s3:PutObjectTagging"], resources=[uploads]),
    ]


def _evidence_statements(evidence: str) -> list[iam.PolicyStatement]:
    """For the links to it that the API presigns. To read anything else of a bucket is refused by name as well."""
    return [
        iam.PolicyStatement(actions=["s3:GetObject"], resources=[evidence]),
        iam.PolicyStatement(
            effect=iam.Effect.DENY, actions=["s3:GetObject*"], not_resources=[evidence]
        ),
    ]


def _key_statements(key: kms.IKey) -> list[iam.PolicyStatement]:
    """Table and bucket are encrypted with the same key, which each service uses in the session's name."""
    return [
        iam.PolicyStatement(
            actions=list(KEY_USES), resources=[key.key_arn], conditions=via_dynamodb()
        ),
        iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[key.key_arn],
            conditions=VIA_S3,
        ),
    ]


def _refuse(actions: list[str], conditions: dict[str, object] | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        effect=iam.Effect.DENY, actions=actions, resources=["*"], conditions=conditions
    )
