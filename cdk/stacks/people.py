"""People and machines: the API, the exchange of keys for tokens, and what keeps the user pool in line."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.event_rule import EventRule
from cdk.constructs.function_layers import FunctionLayers
from cdk.stacks.data import DataStack
from cdk.stacks.identity import PEOPLE_ACTIONS, IdentityStack
from cdk.target import Target

# After these the user pool may hold something else than the table says.
_CHANGES = (
    "PersonInvited",
    "PersonRolesChanged",
    "PersonDisabled",
    "PersonEnabled",
    "CredentialsResetRequested",
    "PersonTokensRevoked",
    "PersonRemovalRequested",
    "KeyRevoked",
)
_TENANTS = "TENANT#*"
_MEMBERSHIPS = "PLATFORM#USER#*"


class PeopleStack(Stack):
    """Requests change the table alone; events make Cognito follow."""

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
        self._identity = identity
        self._layers = FunctionLayers(self, "Layers", target=target)
        self.api = self._api()
        self.token_api = self._token_api()
        self.check_key = self._check_key()
        self.undelivered = [self._follow(bus).undelivered]
        CfnOutput(self, "CheckKeyFunctionName", value=self.check_key.function_name)

    def _function(
        self, id: str, module: str, *, timeout: Duration | None = None
    ) -> ControlPlaneFunction:
        return ControlPlaneFunction(
            self,
            id,
            entry=f"people/{module}",
            target=self._target,
            layers=self._layers.runtime,
            settings={"TABLE_NAME": self._data.table.table_name},
            timeout=timeout,
        )

    def _api(self) -> ControlPlaneFunction:
        secret = self._data.cursor_secret
        api = self._function("Api", "api")
        api.add_environment("CURSOR_SECRET_ARN", secret.secret_arn)
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        self._data.tenant_access.allow(api)
        return api

    def _token_api(self) -> ControlPlaneFunction:
        """Open to everyone: its own role reads the key that a caller names, in whichever tenant it says to be."""
        api = self._function("TokenApi", "token_api")
        secret = self._identity.machine_secret
        api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        api.add_environment("MACHINE_SECRET_ARN", secret.secret_arn)
        api.add_environment("CLIENT_ID", self._identity.client.user_pool_client_id)
        self._identity.allow_pool(
            api, "AdminCreateUser", "AdminSetUserPassword", "AdminGetUser", "AdminInitiateAuth"
        )
        self._data.table.allow(
            api,
            "BatchGetItem",
            "PutItem",
            "UpdateItem",
            leading_keys=(_TENANTS, _MEMBERSHIPS),
        )
        return api

    def _check_key(self) -> ControlPlaneFunction:
        function = self._function("CheckKey", "check_key", timeout=Duration.seconds(5))
        self._data.table.allow(function, "BatchGetItem", leading_keys=(_TENANTS,))
        return function

    def _follow(self, bus: events.IEventBus) -> EventRule:
        function = self._function("ApplyIdentity", "apply_identity", timeout=Duration.minutes(1))
        self._identity.allow_pool(function, *PEOPLE_ACTIONS)
        self._data.table.allow(
            function,
            "GetItem",
            "BatchGetItem",
            "PutItem",
            "UpdateItem",
            leading_keys=(_TENANTS, _MEMBERSHIPS),
        )
        rule = EventRule(
            self,
            "IdentityChanged",
            description="Brings the user pool in line with a person or a key",
            bus=bus,
            pattern=events.EventPattern(source=["headrace.people"], detail_type=list(_CHANGES)),
        )
        rule.call(function)
        return rule
