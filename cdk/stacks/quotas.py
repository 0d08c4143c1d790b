"""Use against limits: the API function, and the machine that proves every hour that the counts are true."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.dead_letter_queue import DeadLetterQueue
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.workflow import Workflow
from cdk.stacks.data import DataStack
from cdk.target import Target


class QuotasStack(Stack):
    """A schedule starts the state machine QuotaReconciliation."""

    def __init__(self, scope: Construct, id: str, *, target: Target, data: DataStack) -> None:
        super().__init__(scope, id, env=target.environment)
        self._target = target
        self._data = data
        self._layers = FunctionLayers(self, "Layers", target=target)
        self.api = self._api()
        self.reconciliation = Workflow(
            self,
            "QuotaReconciliation",
            definition="quota_reconciliation",
            target=target,
            tasks={"ReconcileQuotas": self._reconcile()},
        ).machine
        self.undelivered = DeadLetterQueue(self, "UnstartedReconciliations")
        scheduler.Schedule(
            self,
            "EveryHour",
            description="Compares the counts of every tenant's use with what there is",
            schedule=scheduler.ScheduleExpression.rate(Duration.hours(1)),
            target=targets.StepFunctionsStartExecution(
                self.reconciliation,
                input=scheduler.ScheduleTargetInput.from_object({}),
                dead_letter_queue=self.undelivered,
                retry_attempts=10,
                max_event_age=Duration.minutes(50),
            ),
        )
        CfnOutput(
            self,
            "QuotaReconciliationStateMachineArn",
            value=self.reconciliation.state_machine_arn,
        )

    def _api(self) -> ControlPlaneFunction:
        secret = self._data.cursor_secret
        api = ControlPlaneFunction(
            self,
            "Api",
            entry="quotas/api",
            target=self._target,
            layers=self._layers.runtime,
            settings={
                "TABLE_NAME": self._data.table.table_name,
                "CURSOR_SECRET_ARN": secret.secret_arn,
            },
        )
        self._data.tenant_access.allow(api)
        # A platform administrator sees every tenant's use.
        self._data.table.allow(
            api, "GetItem", "BatchGetItem", "Query", leading_keys=("PLATFORM", "TENANT#*")
        )
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        return api

    def _reconcile(self) -> ControlPlaneFunction:
        function = ControlPlaneFunction(
            self,
            "ReconcileQuotas",
            entry="quotas/reconcile_quotas",
            target=self._target,
            layers=self._layers.runtime,
            settings={"TABLE_NAME": self._data.table.table_name},
            timeout=Duration.minutes(5),
        )
        self._data.table.allow(function, "GetItem", "Query", "PutItem")
        return function
