"""The one way to create a Lambda in this project."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge, acknowledge_wildcard
from cdk.target import Target


class ControlPlaneFunction(lambda_.Function):
    """A Lambda with the house defaults: own role, own log group, JSON logs, traces.

    `entry` names the module under functions/, e.g. "registry/check_upload"; its handler is
    `lambda_handler`. Permissions are added one statement at a time with `allow`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        entry: str,
        target: Target,
        layers: Sequence[lambda_.ILayerVersion],
        settings: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        memory_size: int = 512,
        ephemeral_storage: Size | None = None,
    ) -> None:
        capability, module = entry.split("/")
        folder = target.sources.functions / capability
        if not (folder / f"{module}.py").is_file():
            raise FileNotFoundError(f"{folder / module}.py does not exist, but {id} runs it")
        log_group = logs.LogGroup(
            scope, f"{id}Logs", retention=target.log_retention, removal_policy=target.removal
        )
        super().__init__(
            scope,
            id,
            description=f"functions/{entry}.py",
            code=lambda_.Code.from_asset(str(folder), exclude=["**/__pycache__", "**/*.pyc"]),
            handler=f"{module}.lambda_handler",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=target.architecture,
            layers=list(layers),
            role=_role(scope, f"{id}Role", log_group),
            environment={
                "POWERTOOLS_SERVICE_NAME": capability,
                "POWERTOOLS_METRICS_NAMESPACE": "Headrace",
                **(settings or {}),
            },
            timeout=timeout or Duration.seconds(10),
            memory_size=memory_size,
            ephemeral_storage_size=ephemeral_storage,
            tracing=lambda_.Tracing.ACTIVE,
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=log_group,
        )
        acknowledge(
            self,
            "L1",
            "The layers hold wheels for CPython 3.13; the runtime moves together with them",
        )

    def allow(
        self,
        actions: Sequence[str],
        *resources: str,
        because: str = "",
        conditions: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Let the function do these actions on these resources.

        A resource with a wildcard needs a reason, which is recorded on the function's role.
        """
        assert self.role is not None  # noqa: S101 - made in __init__; the base class allows none
        for resource in resources:
            if "*" in resource:
                if not because:
                    raise ValueError(f"{self.node.path}: say why {actions} need a wildcard")
                acknowledge_wildcard(self.role, resource, because)
        self.add_to_role_policy(
            iam.PolicyStatement(
                actions=list(actions), resources=list(resources), conditions=conditions
            )
        )

    def keep_failed_events(self, queue: sqs.IQueue) -> None:
        """Events that the function was given asynchronously and failed go to a queue, whole.

        EventBridge's own dead-letter queue only takes what Lambda did not accept.
        """
        self.configure_async_invoke(
            on_failure=destinations.SqsDestination(queue),
            max_event_age=Duration.hours(6),
            retry_attempts=2,
        )


def _role(scope: Construct, id: str, log_group: logs.LogGroup) -> iam.Role:
    role = iam.Role(
        scope,
        id,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={
            "Logs": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                        resources=[log_group.log_group_arn],
                    )
                ]
            )
        },
    )
    acknowledge(role, "IAM5[Resource::*]", "X-Ray's PutTraceSegments knows no narrower resource")
    return role
