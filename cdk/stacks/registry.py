"""Models and their versions: the API function, and what follows an upload to its version."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Size, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge_wildcard
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.event_rule import EventRule
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.private_bucket import VIA_S3, PrivateBucket
from cdk.constructs.version_governance import VersionGovernance
from cdk.constructs.workflow import Workflow
from cdk.stacks.data import DataStack
from cdk.target import Target

_UPLOADS = "Tenants' uploads are told apart by key, below models/"
_UPLOAD_TAGS = ("tenant", "project", "model")
_ARTIFACTS = "Registered models are told apart by key, below registry/"


class RegistryStack(Stack):
    """S3 announces an upload; the state machine VersionRegistration makes a version of it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        target: Target,
        data: DataStack,
        bus: events.IEventBus,
    ) -> None:
        super().__init__(scope, id, env=target.environment)
        self._target = target
        self._data = data
        self._layers = FunctionLayers(self, "Layers", target=target)
        self.api = self._api()
        registration = Workflow(
            self,
            "VersionRegistration",
            definition="version_registration",
            target=target,
            tasks={
                "CheckUpload": self._check_upload(),
                "CopyFile": self._copy_file(),
                "ScanFile": self._scan_file(),
                "RegisterVersion": self._changing("RegisterVersion", Duration.minutes(1)),
                "FailUpload": self._changing("FailUpload", Duration.seconds(30)),
            },
        )
        self.registration = registration.machine
        ended = registration.record_ended_executions(
            self._changing("RecordEndedExecution", Duration.seconds(30))
        )
        deleted = self._delete_artifacts(bus)
        uploaded = self._register_uploads()
        self.governance = VersionGovernance(
            self, "Governance", target=target, data=data, bus=bus, layers=self._layers.runtime
        )
        rules = (ended, deleted, *uploaded, self.governance.promoted)
        self.undelivered = [rule.undelivered for rule in rules]
        CfnOutput(
            self,
            "VersionRegistrationStateMachineArn",
            value=self.registration.state_machine_arn,
        )

    def _function(
        self,
        id: str,
        module: str,
        *,
        settings: dict[str, str] | None = None,
        table: bool = True,
        **properties: Any,
    ) -> ControlPlaneFunction:
        """A function of the registry, which may change the table unless it has no use for it."""
        function = ControlPlaneFunction(
            self,
            id,
            entry=f"registry/{module}",
            target=self._target,
            settings={"MODELS_BUCKET": self._data.models.bucket_name, **(settings or {})},
            **{"layers": self._layers.runtime, **properties},
        )
        if table:
            function.add_environment("TABLE_NAME", self._data.table.table_name)
            self._data.table.allow_changes(function)
        return function

    def _api(self) -> ControlPlaneFunction:
        models, secret = self._data.models, self._data.cursor_secret
        api = self._function(
            "Api",
            "api",
            settings={
                "TABLE_NAME": self._data.table.table_name,
                "CURSOR_SECRET_ARN": secret.secret_arn,
            },
            table=False,
        )
        self._data.tenant_access.allow(api)
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        role = _upload_role(self, api, models)
        api.allow(["sts:AssumeRole", "sts:TagSession"], role.role_arn)
        api.add_environment("UPLOAD_ROLE_ARN", role.role_arn)
        return api

    def _check_upload(self) -> ControlPlaneFunction:
        function = self._function(
            "CheckUpload",
            "check_upload",
            timeout=Duration.minutes(1),
            layers=self._layers.signing,
        )
        self._data.models.allow_objects(
            function,
            "models/",
            "GetObject",
            "GetObjectVersion",
            "GetObjectAttributes",
            "GetObjectVersionAttributes",
            because=_UPLOADS,
        )
        self._data.models.allow_bucket(function, "ListBucket", "ListBucketVersions")
        return function

    def _copy_file(self) -> ControlPlaneFunction:
        function = self._function(
            "CopyFile", "copy_file", timeout=Duration.minutes(15), table=False
        )
        models = self._data.models
        models.allow_objects(
            function,
            "models/",
            "GetObject",
            "GetObjectVersion",
            "GetObjectTagging",
            "GetObjectVersionTagging",
            because=_UPLOADS,
        )
        models.allow_objects(
            function,
            "registry/",
            "PutObject",
            "GetObject",
            "GetObjectAttributes",
            because=_ARTIFACTS,
        )
        # Without it S3 answers 403 about a file that is missing.
        models.allow_bucket(function, "ListBucket")
        models.allow_registry_writes(function)
        return function

    def _scan_file(self) -> ControlPlaneFunction:
        """It opens what strangers wrote: it has no right but to read registered files, and no way to the table."""
        function = self._function(
            "ScanFile",
            "scan_file",
            timeout=Duration.minutes(15),
            table=False,
            layers=self._layers.scanning,
            # A pickle of 512 MiB is held twice; on disk lie a file of 5 GiB and an archive's part of 1 GiB.
            memory_size=2048,
            ephemeral_storage=Size.gibibytes(7),
        )
        self._data.models.allow_objects(
            function, "registry/", "GetObject", "GetObjectVersion", because=_ARTIFACTS
        )
        return function

    def _changing(self, id: str, timeout: Duration) -> ControlPlaneFunction:
        """A function that records an outcome in the table and removes copies that are no more."""
        module = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in id)
        function = self._function(id, module.lstrip("_"), timeout=timeout)
        self._allow_removal(function)
        return function

    def _allow_removal(self, function: ControlPlaneFunction) -> None:
        """Removal takes every version of an object: the copies are gone, not hidden."""
        self._data.models.allow_objects(
            function, "registry/", "DeleteObject", "DeleteObjectVersion", because=_ARTIFACTS
        )
        self._data.models.allow_bucket(function, "ListBucket", "ListBucketVersions")

    def _delete_artifacts(self, bus: events.IEventBus) -> EventRule:
        function = self._function(
            "DeleteArtifacts", "delete_artifacts", timeout=Duration.minutes(1), table=False
        )
        self._allow_removal(function)
        rule = EventRule(
            self,
            "VersionDeleted",
            description="Deletes the artifacts of deleted versions",
            bus=bus,
            pattern=events.EventPattern(detail_type=["ModelVersionDeleted"]),
        )
        rule.call(function)
        return rule

    def _register_uploads(self) -> list[EventRule]:
        """One rule for the manifests of uploads of several files, one for plain files."""
        keys = {
            "ManifestUploaded": [{"wildcard": "models/*/uploads/*/manifest.json"}],
            "FileUploaded": [{"anything-but": {"wildcard": ["models/*/uploads/*", "registry/*"]}}],
        }
        rules = []
        for name, key in keys.items():
            rule = EventRule(
                self,
                name,
                description="Starts the registration of an upload",
                pattern=events.EventPattern(
                    source=["aws.s3"],
                    detail_type=["Object Created"],
                    detail={
                        "bucket": {"name": [self._data.models.bucket_name]},
                        "object": {"key": key},
                    },
                ),
            )
            rule.start(self.registration)
            rules.append(rule)
        return rules


def _upload_role(scope: Construct, api: ControlPlaneFunction, models: PrivateBucket) -> iam.Role:
    """What a developer's temporary credentials may do at most: upload to the model that its session's tags name.

    The API assumes it with a session policy for the same prefix, so that two things must be wrong before one opens
    another's.
    """
    assert api.role is not None  # noqa: S101 - every function of ours has one
    role = iam.Role(
        scope,
        "UploadRole",
        description="Uploads to one model: by the session's tags, and by its policy once more",
        assumed_by=iam.SessionTagsPrincipal(
            iam.PrincipalWithConditions(
                iam.ArnPrincipal(api.role.role_arn),
                {
                    "ForAllValues:StringEquals": {"aws:TagKeys": list(_UPLOAD_TAGS)},
                    "StringLike": {f"aws:RequestTag/{tag}": "?*" for tag in _UPLOAD_TAGS},
                },
            )
        ),
        max_session_duration=Duration.hours(1),
    )
    prefix = "/".join(("models", *(f"${{aws:PrincipalTag/{tag}}}" for tag in _UPLOAD_TAGS), "*"))
    objects = models.arn_for_objects(prefix)
    statements = (
        (
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            objects,
            None,
        ),
        (["s3:ListBucket"], models.bucket_arn, {"StringLike": {"s3:prefix": [prefix]}}),
        (["kms:GenerateDataKey", "kms:Decrypt"], models.key.key_arn, VIA_S3),
    )
    for actions, resource, conditions in statements:
        role.add_to_policy(
            iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions)
        )
    acknowledge_wildcard(role, objects, _UPLOADS)
    return role
