"""A state machine from its ASL file, and the functions that its tasks call."""

import re
from collections.abc import Mapping

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.event_rule import EventRule
from cdk.target import Target

_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")


class Workflow(Construct):
    """Runs statemachines/<definition>.asl.json as a Standard state machine.

    `tasks` are the functions by the name that the file gives them: ${CheckUpload} is
    `check_upload`. File and tasks must name the same ones.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        definition: str,
        tasks: Mapping[str, ControlPlaneFunction],
        target: Target,
    ) -> None:
        super().__init__(scope, id)
        path = target.sources.statemachines / f"{definition}.asl.json"
        named = set(_SUBSTITUTION.findall(path.read_text()))
        if named != set(tasks):
            raise ValueError(
                f"{path} and its stack disagree about tasks: "
                f"only in the file {sorted(named - set(tasks))}, "
                f"only in the stack {sorted(set(tasks) - named)}"
            )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"],
                resources=[task.function_arn for task in tasks.values()],
            )
        )
        acknowledge(
            role,
            "IAM5[Resource::*]",
            "X-Ray's PutTraceSegments and the delivery of Step Functions' logs know no narrower "
            "resource",
        )
        self.machine = sfn.StateMachine(
            self,
            "StateMachine",
            definition_body=sfn.DefinitionBody.from_file(str(path)),
            definition_substitutions={name: task.function_arn for name, task in tasks.items()},
            state_machine_type=sfn.StateMachineType.STANDARD,
            role=role,
            tracing_enabled=True,
            removal_policy=target.removal,
            logs=sfn.LogOptions(
                destination=logs.LogGroup(
                    self, "Logs", retention=target.log_retention, removal_policy=target.removal
                ),
                level=sfn.LogLevel.ALL,
                # Inputs and outputs stay in the execution's own history.
                include_execution_data=False,
            ),
        )

    def record_ended_executions(self, function: ControlPlaneFunction) -> EventRule:
        """Tell the function of every execution that died without a catch, time-outs included."""
        rule = EventRule(
            self,
            "Ended",
            description=f"Executions of {self.node.id} that ended without recording it",
            pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                    "stateMachineArn": [self.machine.state_machine_arn],
                },
            ),
        )
        rule.call(function)
        return rule
