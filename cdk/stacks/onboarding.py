"""Tenants: the API of the platform's administrators, and the state machines that make a tenant and take it away."""

from collections.abc import Sequence

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk.constructs.cluster_access import ClusterAccess
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.control_table import READ, WRITE
from cdk.constructs.event_rule import EventRule
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.workflow import Workflow
from cdk.stacks.data import DataStack
from cdk.stacks.identity import PEOPLE_ACTIONS, IdentityStack
from cdk.target import AWS, EMBEDDED, Target

_SOURCE = ["headrace.onboarding"]
# How long a new execution leaves alone what a dead one may have called last: longer than a step's function runs.
_PAUSE_SECONDS = {AWS: 90, EMBEDDED: 3}
_STEP_TIMEOUT = Duration.minutes(1)
_TENANTS = "Tenants are told apart by the prefix of their objects"


class OnboardingStack(Stack):
    """A request starts TenantOnboarding or TenantOffboarding; both record each step in the tenant's item."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        target: Target,
        data: DataStack,
        identity: IdentityStack,
        bus: events.IEventBus,
    ) -> None:
        super().__init__(scope, id, env=target.environment)
        self._target = target
        self._data = data
        self._layers = FunctionLayers(self, "Layers", target=target)
        self._cluster = ClusterAccess(self, "Cluster", target=target, data=data)
        self.api = self._api()
        tasks = {
            "TurnWork": self._recording("TurnWork", "turn_work"),
            "ClusterStep": self._reaching_cluster("ClusterStep", "cluster_step"),
            "CloudStep": self._cloud_step(identity),
            "DataStep": self._data_step(),
        }
        onboarding = Workflow(
            self, "TenantOnboarding", definition="tenant_onboarding", tasks=tasks, target=target
        )
        offboarding = Workflow(
            self, "TenantOffboarding", definition="tenant_offboarding", tasks=tasks, target=target
        )
        self.machines = [onboarding.machine, offboarding.machine]
        rules = [
            self._record_ended_executions(self.machines),
            self._start(onboarding, bus, "TenantOnboardingRequested", ["Provision", "Withdraw"]),
            self._start(offboarding, bus, "TenantOffboardingRequested", ["Offboard"]),
            self._switch_serving(bus),
        ]
        self.undelivered = [rule.undelivered for rule in rules]
        for workflow in (onboarding, offboarding):
            CfnOutput(
                self,
                f"{workflow.node.id}StateMachineArn",
                value=workflow.machine.state_machine_arn,
            )

    def _function(
        self,
        id: str,
        module: str,
        *,
        settings: dict[str, str] | None = None,
        timeout: Duration = _STEP_TIMEOUT,
        cluster: bool = False,
    ) -> ControlPlaneFunction:
        return ControlPlaneFunction(
            self,
            id,
            entry=f"onboarding/{module}",
            target=self._target,
            layers=self._layers.cluster if cluster else self._layers.runtime,
            settings={"TABLE_NAME": self._data.table.table_name, **(settings or {})},
            timeout=timeout,
            # The cluster's client imports for long; Lambda's CPU grows with memory.
            memory_size=1024 if cluster else 512,
        )

    def _api(self) -> ControlPlaneFunction:
        """It works on no tenant's data but on the tenants themselves; a member's refusal is noted at the member's."""
        secret = self._data.cursor_secret
        api = self._function(
            "Api",
            "api",
            settings={"CURSOR_SECRET_ARN": secret.secret_arn},
            timeout=Duration.seconds(10),
        )
        self._data.tenant_access.allow(api)
        self._data.table.allow(api, *READ, *WRITE, leading_keys=("PLATFORM", "TENANT#*"))
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        return api

    def _recording(
        self, id: str, module: str, settings: dict[str, str] | None = None
    ) -> ControlPlaneFunction:
        """A function that only moves the tenant in the table."""
        function = self._function(id, module, settings=settings, timeout=Duration.seconds(30))
        self._data.table.allow_changes(function)
        return function

    def _reaching_cluster(self, id: str, module: str) -> ControlPlaneFunction:
        function = self._function(id, module, cluster=True)
        self._data.table.allow_changes(function)
        self._cluster.allow_onboarding(function)
        return function

    def _cloud_step(self, identity: IdentityStack) -> ControlPlaneFunction:
        function = self._function("CloudStep", "cloud_step")
        self._data.table.allow_changes(function)
        identity.allow_pool(function, *PEOPLE_ACTIONS)
        groups = self.format_arn(
            service="scheduler", resource="schedule-group", resource_name="tenant-*"
        )
        function.allow(
            [
                f"scheduler:{action}"
                for action in (
                    "CreateScheduleGroup",
                    "GetScheduleGroup",
                    "DeleteScheduleGroup",
                    "TagResource",
                )
            ],
            groups,
            because="Each tenant has a schedule group of its own name",
        )
        # Deleting a group deletes its schedules, which Scheduler checks one by one.
        schedules = self.format_arn(
            service="scheduler", resource="schedule", resource_name="tenant-*/*"
        )
        function.allow(
            ["scheduler:DeleteSchedule"],
            schedules,
            because="A tenant's schedules go with its group",
        )
        if role := self._data.model_reader_role:
            self._allow_pod_identity(function, role.role_arn)
        return function

    def _allow_pod_identity(self, function: ControlPlaneFunction, role_arn: str) -> None:
        name = self._target.cluster_name
        function.add_environment("CLUSTER_NAME", name)
        function.add_environment("STORAGE_ROLE_ARN", role_arn)
        cluster = self.format_arn(service="eks", resource="cluster", resource_name=name)
        function.allow(
            [
                "eks:CreatePodIdentityAssociation",
                "eks:ListPodIdentityAssociations",
                "eks:TagResource",
            ],
            cluster,
        )
        associations = self.format_arn(
            service="eks", resource="podidentityassociation", resource_name=f"{name}/*"
        )
        function.allow(
            ["eks:DeletePodIdentityAssociation", "eks:TagResource"],
            associations,
            because="EKS chooses the associations' names",
        )
        function.allow(
            ["iam:PassRole"],
            role_arn,
            conditions={"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}},
        )
        function.allow(["iam:GetRole"], role_arn)

    def _data_step(self) -> ControlPlaneFunction:
        """The one function that deletes items: those of a tenant that goes."""
        models = self._data.models
        function = self._function(
            "DataStep",
            "data_step",
            settings={"MODELS_BUCKET": models.bucket_name},
            timeout=Duration.minutes(5),
        )
        self._data.table.allow(function, *READ, *WRITE, "BatchWriteItem")
        models.allow_objects(function, "exports/", "PutObject", because=_TENANTS)
        for prefix in ("models/", "registry/", "runs/", "evidence/"):
            models.allow_objects(
                function,
                prefix,
                "DeleteObject",
                "DeleteObjectVersion",
                "AbortMultipartUpload",
                because=_TENANTS,
            )
        models.allow_bucket(
            function, "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"
        )
        return function

    def _record_ended_executions(self, machines: Sequence[sfn.StateMachine]) -> EventRule:
        """One function hears of both machines, so one rule speaks of both."""
        rule = EventRule(
            self,
            "WorkEnded",
            description="Work on tenants that lost its execution",
            pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                    "stateMachineArn": [machine.state_machine_arn for machine in machines],
                },
            ),
        )
        pause = {"ONBOARDING_PAUSE_SECONDS": str(_PAUSE_SECONDS[self._target.name])}
        rule.call(self._recording("RecordEndedExecution", "record_ended_execution", pause))
        return rule

    def _start(
        self, workflow: Workflow, bus: events.IEventBus, requested: str, goals: list[str]
    ) -> EventRule:
        rule = EventRule(
            self,
            f"{workflow.node.id}Wanted",
            description=f"Starts {workflow.node.id}, or what is left of it",
            bus=bus,
            pattern=events.EventPattern(
                source=_SOURCE,
                detail_type=[requested, "TenantWorkInterrupted"],
                detail={"data": {"goal": goals}},
            ),
        )
        rule.start(workflow.machine)
        return rule

    def _switch_serving(self, bus: events.IEventBus) -> EventRule:
        rule = EventRule(
            self,
            "ServingSwitched",
            description="Stops the serving of suspended tenants, and resumes it",
            bus=bus,
            pattern=events.EventPattern(
                source=_SOURCE, detail_type=["TenantSuspended", "TenantActivated"]
            ),
        )
        rule.call(self._reaching_cluster("SwitchServing", "switch_serving"))
        return rule
