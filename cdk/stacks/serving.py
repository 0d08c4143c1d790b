"""Deployments: the API function, and the state machine that moves one to a new revision."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from constructs import Construct

from cdk.constructs.cluster_access import ClusterAccess
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.event_rule import EventRule
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.workflow import Workflow
from cdk.stacks.data import DataStack
from cdk.target import Target


class ServingStack(Stack):
    """A registered version, or a request, starts the state machine ModelRollout."""

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
        self._cluster = ClusterAccess(self, "Cluster", target=target, data=data)
        self.api = self._api()
        pace = {
            "RETIRE_AFTER_SECONDS": str(target.retire_after_seconds),
            "ROLLOUT_TIMEOUT_SECONDS": str(target.rollout_timeout_seconds),
        }
        rollout = Workflow(
            self,
            "ModelRollout",
            definition="model_rollout",
            target=target,
            tasks={
                "OpenRollout": self._recording("OpenRollout", "open_rollout", pace=pace),
                "CheckRollout": self._check_rollout(),
                "ApplyRevision": self._reaching_cluster("ApplyRevision", "apply_revision"),
                "CheckRevision": self._reaching_cluster("CheckRevision", "check_revision"),
                "ShiftTraffic": self._reaching_cluster("ShiftTraffic", "shift_traffic"),
                "FinishRollout": self._recording("FinishRollout", "finish_rollout", pace=pace),
                "FailRollout": self._recording("FailRollout", "fail_rollout"),
                "RetireRevision": self._reaching_cluster("RetireRevision", "retire_revision"),
            },
        )
        self.rollout = rollout.machine
        ended = rollout.record_ended_executions(
            self._recording("RecordEndedExecution", "record_ended_execution")
        )
        self.undelivered = [rule.undelivered for rule in (ended, *self._start_rollouts(bus))]
        CfnOutput(self, "ModelRolloutStateMachineArn", value=self.rollout.state_machine_arn)

    def _function(
        self,
        id: str,
        module: str,
        *,
        settings: dict[str, str],
        timeout: Duration | None = None,
        cluster: bool = False,
    ) -> ControlPlaneFunction:
        return ControlPlaneFunction(
            self,
            id,
            entry=f"serving/{module}",
            target=self._target,
            layers=self._layers.cluster if cluster else self._layers.runtime,
            settings={"TABLE_NAME": self._data.table.table_name, **settings},
            timeout=timeout,
            # The cluster's client imports for long; Lambda's CPU grows with memory.
            memory_size=1024 if cluster else 512,
        )

    def _api(self) -> ControlPlaneFunction:
        secret = self._data.cursor_secret
        api = self._function(
            "Api",
            "api",
            settings={
                "CURSOR_SECRET_ARN": secret.secret_arn,
                "INGRESS_URL": self._target.ingress_url,
            },
        )
        self._data.tenant_access.allow(api)
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        return api

    def _recording(
        self, id: str, module: str, *, pace: dict[str, str] | None = None
    ) -> ControlPlaneFunction:
        """A function that only moves the rollout and the deployment in the table."""
        function = self._function(id, module, settings=pace or {}, timeout=Duration.seconds(30))
        self._data.table.allow_changes(function)
        return function

    def _check_rollout(self) -> ControlPlaneFunction:
        function = self._function(
            "CheckRollout",
            "check_rollout",
            settings={"MODELS_BUCKET": self._data.models.bucket_name},
            timeout=Duration.minutes(1),
        )
        self._data.table.allow(function, "GetItem")
        self._data.models.allow_objects(
            function,
            "registry/",
            "GetObject",
            "GetObjectAttributes",
            because="Registered models are told apart by key, below registry/",
        )
        # Without it S3 answers 403 about a file that is missing.
        self._data.models.allow_bucket(function, "ListBucket")
        return function

    def _reaching_cluster(self, id: str, module: str) -> ControlPlaneFunction:
        function = self._function(
            id,
            module,
            settings={"GATEWAY_NAME": "headrace", "GATEWAY_NAMESPACE": "headrace-system"},
            timeout=Duration.minutes(1),
            cluster=True,
        )
        self._data.table.allow_changes(function)
        self._cluster.allow(function)
        return function

    def _start_rollouts(self, bus: events.IEventBus) -> list[EventRule]:
        patterns = {
            "VersionRegistered": events.EventPattern(detail_type=["ModelVersionRegistered"]),
            "RolloutWanted": events.EventPattern(
                detail_type=[
                    "RolloutRequested",
                    "RolloutEnded",
                    "RetirementPostponed",
                    "DeploymentDeletionRequested",
                ],
                detail={"data": {"needs_execution": [True]}},
            ),
        }
        rules = []
        for name, pattern in patterns.items():
            rule = EventRule(
                self, name, description="Starts a rollout of a model", bus=bus, pattern=pattern
            )
            rule.start(self.rollout)
            rules.append(rule)
        return rules
