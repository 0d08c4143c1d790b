"""What is told and decided about registered versions: three API functions, and the champion that follows promotions."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.event_rule import EventRule
from cdk.stacks.data import DataStack
from cdk.target import Target


class VersionGovernance(Construct):
    """The functions `…api` answer requests, `promoted` hands promotions to the function that moves the champion."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        target: Target,
        data: DataStack,
        bus: events.IEventBus,
        layers: Sequence[lambda_.ILayerVersion],
    ) -> None:
        super().__init__(scope, id)
        self._target, self._data, self._layers = target, data, layers
        self.api = self._api("Api", "governance_api")
        self.aliases_api = self._api("AliasesApi", "aliases_api")
        self.signing_api = self._api("SigningApi", "signing_api")
        self.promoted = self._follow_promotions(bus)

    def _api(self, id: str, module: str) -> ControlPlaneFunction:
        secret = self._data.cursor_secret
        api = ControlPlaneFunction(
            self,
            id,
            entry=f"registry/{module}",
            target=self._target,
            layers=self._layers,
            settings={
                "TABLE_NAME": self._data.table.table_name,
                "CURSOR_SECRET_ARN": secret.secret_arn,
            },
        )
        self._data.tenant_access.allow(api)
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        return api

    def _follow_promotions(self, bus: events.IEventBus) -> EventRule:
        function = ControlPlaneFunction(
            self,
            "FollowPromotion",
            entry="registry/follow_promotion",
            target=self._target,
            layers=self._layers,
            settings={"TABLE_NAME": self._data.table.table_name},
            timeout=Duration.seconds(30),
        )
        self._data.table.allow(function, "BatchGetItem", "PutItem", "UpdateItem")
        rule = EventRule(
            self,
            "RolloutPromoted",
            description="Makes a promoted version the champion of its model",
            bus=bus,
            pattern=events.EventPattern(
                source=["headrace.serving"],
                detail_type=["RolloutEnded"],
                detail={"data": {"state": ["Promoted"]}},
            ),
        )
        rule.call(function)
        return rule
