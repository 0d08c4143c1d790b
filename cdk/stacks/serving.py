"""Deployments: the API function, and the state machine that moves one to a new revision."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.cluster_access import ClusterAccess
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.event_rule import EventRule
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.metrics_access import allow_metrics, tell_of_metrics
from cdk.constructs.workflow import Workflow
from cdk.stacks.data import DataStack
from cdk.target import Target

GATEWAY = {"GATEWAY_NAME": "headrace", "GATEWAY_NAMESPACE": "headrace-system"}
# What tasks do with the table. A deployment is read together with its rollout, and put with it; whoever lets it hold
# another version, or fewer, marks versions and counts, and sees before whether there is room; progress is stored only
# while the deployment's item says that the rollout is under way.
_READ = ("BatchGetItem",)
_CHANGE = (*_READ, "PutItem")
_RELEASE = (*_CHANGE, "UpdateItem")
_TAKE = (*_RELEASE, "GetItem")
_ADVANCE = (*_CHANGE, "ConditionCheckItem")


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
        self.api = self._api("Api", "api", {"INGRESS_URL": target.ingress_url})
        self.rollouts_api = self._api(
            "RolloutsApi", "rollouts_api", {"MODELS_BUCKET": data.models.bucket_name, **GATEWAY}
        )
        tell_of_metrics(self.rollouts_api, target)
        pace = {
            "RETIRE_AFTER_SECONDS": str(target.retire_after_seconds),
            "ROLLOUT_TIMEOUT_SECONDS": str(target.rollout_timeout_seconds),
        }
        await_tick = self._recording("AwaitTick", "await_tick", _CHANGE)
        rollout = Workflow(
            self,
            "ModelRollout",
            definition="model_rollout",
            target=target,
            tasks={
                "OpenRollout": self._recording("OpenRollout", "open_rollout", _TAKE, settings=pace),
                "CheckRollout": self._check_rollout(),
                "PrepareRevision": self._reaching_cluster(
                    "PrepareRevision", "prepare_revision", _ADVANCE
                ),
                "AdvanceRollout": self._advance_rollout(pace),
                "AwaitTick": await_tick,
                "FinishRollout": self._reaching_cluster(
                    "FinishRollout", "finish_rollout", _RELEASE
                ),
                "WriteEvidence": self._keeping_evidence(
                    "WriteEvidence", "write_evidence", (*_READ, "UpdateItem")
                ),
                "FailRollout": self._recording("FailRollout", "fail_rollout", _CHANGE),
                "RetireRevision": self._reaching_cluster(
                    "RetireRevision", "retire_revision", _RELEASE
                ),
            },
        )
        self.rollout = rollout.machine
        ended = rollout.record_ended_executions(
            self._keeping_evidence("RecordEndedExecution", "record_ended_execution", _TAKE)
        )
        woken = self._wake_rollouts(bus, await_tick)
        rules = (ended, *self._start_rollouts(bus), woken, self._switch_deployments(bus))
        self.undelivered = [rule.undelivered for rule in rules]
        CfnOutput(self, "ModelRolloutStateMachineArn", value=self.rollout.state_machine_arn)

    def _function(
        self,
        id: str,
        module: str,
        *,
        settings: dict[str, str],
        timeout: Duration | None = None,
        cluster: bool = False,
        memory_size: int | None = None,
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
            memory_size=memory_size or (1024 if cluster else 512),
        )

    def _api(self, id: str, module: str, settings: dict[str, str]) -> ControlPlaneFunction:
        secret = self._data.cursor_secret
        api = self._function(
            id, module, settings={"CURSOR_SECRET_ARN": secret.secret_arn, **settings}
        )
        self._data.tenant_access.allow(api)
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        return api

    def _recording(
        self,
        id: str,
        module: str,
        operations: tuple[str, ...],
        *,
        settings: dict[str, str] | None = None,
    ) -> ControlPlaneFunction:
        """A function that only moves the rollout and the deployment in the table."""
        function = self._function(id, module, settings=settings or {}, timeout=Duration.seconds(30))
        self._data.table.allow(function, *operations)
        return function

    def _check_rollout(self) -> ControlPlaneFunction:
        function = self._function(
            "CheckRollout",
            "check_rollout",
            settings={"MODELS_BUCKET": self._data.models.bucket_name, **GATEWAY},
            timeout=Duration.minutes(1),
            cluster=True,
        )
        tell_of_metrics(function, self._target)
        # Versions are read one by one.
        self._data.table.allow(function, "GetItem", *_ADVANCE)
        self._cluster.allow(function)
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

    def _reaching_cluster(
        self, id: str, module: str, operations: tuple[str, ...]
    ) -> ControlPlaneFunction:
        function = self._function(
            id,
            module,
            settings=GATEWAY,
            timeout=Duration.minutes(1),
            cluster=True,
        )
        self._data.table.allow(function, *operations)
        self._cluster.allow(function)
        return function

    def _advance_rollout(self, pace: dict[str, str]) -> ControlPlaneFunction:
        """The tick: it reads metrics and sends probes as well."""
        function = self._reaching_cluster("AdvanceRollout", "advance_rollout", _ADVANCE)
        for name, value in pace.items():
            function.add_environment(name, value)
        function.add_environment("INGRESS_URL", self._target.ingress_url)
        allow_metrics(function, self._target)
        return function

    def _keeping_evidence(
        self, id: str, module: str, operations: tuple[str, ...]
    ) -> ControlPlaneFunction:
        """A function that lists all ticks of a rollout, and keeps them in the bucket.

        50,000 ticks (`MOST_TICKS` of a policy) of twelve checks each are a document of 200 MB, and some 1.2 GB while
        it is made.
        """
        function = self._function(
            id,
            module,
            settings={"MODELS_BUCKET": self._data.models.bucket_name},
            timeout=Duration.minutes(5),
            memory_size=1769,
        )
        self._data.table.allow(function, *operations, "Query")
        self._data.models.allow_objects(
            function,
            "evidence/",
            "PutObject",
            because="The evidence of rollouts is told apart by key, below evidence/",
        )
        return function

    def _start_rollouts(self, bus: events.IEventBus) -> list[EventRule]:
        patterns = {
            "VersionRegistered": events.EventPattern(
                detail_type=["ModelVersionRegistered", "VersionApproved"]
            ),
            "RolloutWanted": events.EventPattern(
                detail_type=[
                    "RolloutRequested",
                    "RolloutHandedOver",
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

    def _wake_rollouts(self, bus: events.IEventBus, await_tick: ControlPlaneFunction) -> EventRule:
        wake = self._function(
            "WakeRollout", "wake_rollout", settings={}, timeout=Duration.seconds(30)
        )
        self._data.table.allow(wake, "GetItem")
        roles = [function.role for function in (await_tick, wake) if function.role]
        # A policy of its own: the state machine names one of the functions, which wait for their roles' own.
        iam.Policy(
            self,
            "AnswerTicks",
            roles=roles,
            statements=[
                iam.PolicyStatement(
                    actions=["states:SendTaskSuccess"],
                    resources=[self.rollout.state_machine_arn],
                )
            ],
        )
        rule = EventRule(
            self,
            "RolloutCommanded",
            description="Wakes a rollout that was told something",
            bus=bus,
            pattern=events.EventPattern(detail_type=["RolloutCommanded"]),
        )
        rule.call(wake)
        return rule

    def _switch_deployments(self, bus: events.IEventBus) -> EventRule:
        rule = EventRule(
            self,
            "DeploymentSwitchWanted",
            description="Stops or resumes a deployment in the cluster",
            bus=bus,
            pattern=events.EventPattern(detail_type=["DeploymentStopped", "DeploymentResumed"]),
        )
        rule.call(self._reaching_cluster("SwitchDeployment", "switch_deployment", _CHANGE))
        return rule
