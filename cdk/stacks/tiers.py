"""Tiers: the API function, and the state machine that brings a tier's change to its tenants."""

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

# Tiers and their subscribers lie in the platform's partition, subscriptions and limits in the tenants'.
_PLATFORM = ("PLATFORM",)
_PLATFORM_AND_TENANTS = ("PLATFORM", "TENANT#*")


class TiersStack(Stack):
    """A changed tier or subscription starts the state machine TierPropagation."""

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
        recording = self._recording()
        propagation = Workflow(
            self,
            "TierPropagation",
            definition="tier_propagation",
            target=target,
            tasks={"ApplyLimits": self._apply_limits(), "RecordPropagation": recording},
        )
        self.propagation = propagation.machine
        ended = propagation.record_ended_executions(recording)
        self.undelivered = [rule.undelivered for rule in (ended, *self._start(bus))]
        CfnOutput(self, "TierPropagationStateMachineArn", value=self.propagation.state_machine_arn)

    def _function(
        self, id: str, module: str, *, timeout: Duration | None = None, cluster: bool = False
    ) -> ControlPlaneFunction:
        return ControlPlaneFunction(
            self,
            id,
            entry=f"tiers/{module}",
            target=self._target,
            layers=self._layers.cluster if cluster else self._layers.runtime,
            settings={"TABLE_NAME": self._data.table.table_name},
            timeout=timeout,
            # The cluster's client imports for long; Lambda's CPU grows with memory.
            memory_size=1024 if cluster else 512,
        )

    def _api(self) -> ControlPlaneFunction:
        """A tenant's people read with the tenant's credentials; the platform's change with the function's role."""
        api = self._function("Api", "api")
        secret, table = self._data.cursor_secret, self._data.table
        api.add_environment("CURSOR_SECRET_ARN", secret.secret_arn)
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        self._data.tenant_access.allow(api)
        table.allow(api, "Query", leading_keys=_PLATFORM)
        table.allow(
            api,
            "BatchGetItem",
            "PutItem",
            "UpdateItem",
            "ConditionCheckItem",
            leading_keys=_PLATFORM_AND_TENANTS,
        )
        return api

    def _apply_limits(self) -> ControlPlaneFunction:
        function = self._function(
            "ApplyLimits", "apply_limits", timeout=Duration.minutes(2), cluster=True
        )
        table = self._data.table
        table.allow(function, "GetItem", "ConditionCheckItem", leading_keys=_PLATFORM)
        table.allow(function, "BatchGetItem", "PutItem", leading_keys=("TENANT#*",))
        table.allow(function, "UpdateItem", leading_keys=_PLATFORM_AND_TENANTS)
        self._cluster.allow_onboarding(function)
        return function

    def _recording(self) -> ControlPlaneFunction:
        """Progress of tiers; of tenants only that the cluster could not be brought up to date."""
        function = self._function(
            "RecordPropagation", "record_propagation", timeout=Duration.seconds(30)
        )
        table = self._data.table
        table.allow(function, "GetItem", "Query", "ConditionCheckItem", leading_keys=_PLATFORM)
        table.allow(function, "BatchGetItem", "UpdateItem", leading_keys=_PLATFORM_AND_TENANTS)
        return function

    def _start(self, bus: events.IEventBus) -> list[EventRule]:
        patterns = {
            "LimitsChanged": events.EventPattern(
                detail_type=[
                    "TierChanged",
                    "TierPropagationRequested",
                    "TierPropagationContinued",
                    "SubscriptionChanged",
                ],
                detail={"data": {"needs_execution": [True]}},
            ),
            # A change that came while the tenant was being made has not reached the cluster yet.
            "TenantReady": events.EventPattern(detail_type=["TenantOnboarded"]),
        }
        rules = []
        for name, pattern in patterns.items():
            rule = EventRule(
                self, name, description="Brings limits to tenants", bus=bus, pattern=pattern
            )
            rule.start(self.propagation)
            rules.append(rule)
        return rules
