"""Who people are: the user pool, its client, the role groups and the claims in tokens."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.control_table import ControlTable
from cdk.constructs.function_layers import FunctionLayers
from cdk.target import Target

# What it takes to bring users in line with the people of a tenant.
PEOPLE_ACTIONS = (
    "AdminCreateUser",
    "AdminGetUser",
    "AdminDeleteUser",
    "AdminEnableUser",
    "AdminDisableUser",
    "AdminUserGlobalSignOut",
    "AdminResetUserPassword",
    "AdminListGroupsForUser",
    "AdminAddUserToGroup",
    "AdminRemoveUserFromGroup",
    "CreateGroup",
    "DeleteGroup",
)
ROLES = ("platform-admin", "tenant-admin", "developer", "viewer")


class IdentityStack(Stack):
    """Cognito. Tenant and roles come from memberships in the table, by the token function."""

    def __init__(self, scope: Construct, id: str, *, target: Target, table: ControlTable) -> None:
        super().__init__(scope, id, env=target.environment, termination_protection=target.on_aws)
        self.pool = _user_pool(self, target)
        self.client = self.pool.add_client(
            "Client",
            generate_secret=False,
            # The last is for the users of API keys, whom the token function signs in.
            auth_flows=cognito.AuthFlow(
                user_password=True, user_srp=True, admin_user_password=True
            ),
            disable_o_auth=True,
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
            # None at all would mean every standard attribute.
            write_attributes=cognito.ClientAttributes().with_standard_attributes(locale=True),
            access_token_validity=Duration.minutes(15),
            id_token_validity=Duration.minutes(15),
            refresh_token_validity=Duration.days(1),
        )
        for role in ROLES:
            cognito.CfnUserPoolGroup(
                self,
                "".join(word.capitalize() for word in role.split("-")),
                user_pool_id=self.pool.user_pool_id,
                group_name=role,
            )
        issue_claims = ControlPlaneFunction(
            self,
            "IssueClaims",
            entry="tenancy/issue_claims",
            target=target,
            layers=FunctionLayers(self, "Layers", target=target).runtime,
            settings={"TABLE_NAME": table.table_name},
            timeout=Duration.seconds(5),
        )
        table.allow(
            issue_claims,
            "GetItem",
            "BatchGetItem",
            "UpdateItem",
            leading_keys=("PLATFORM", "PLATFORM#USER#*", "TENANT#*"),
        )
        self.pool.add_trigger(
            cognito.UserPoolOperation.PRE_TOKEN_GENERATION_CONFIG,
            issue_claims,
            cognito.LambdaVersion.V2_0,
        )
        self._allow_trigger(issue_claims)
        self.machine_secret = _machine_secret(self, target)
        CfnOutput(self, "UserPoolId", value=self.pool.user_pool_id)
        CfnOutput(self, "ClientId", value=self.client.user_pool_client_id)

    def allow_pool(self, function: ControlPlaneFunction, *operations: str) -> None:
        """Let a function of another stack do these operations on the pool and its users."""
        function.allow(
            [f"cognito-idp:{operation}" for operation in operations], self.pool.user_pool_arn
        )
        function.add_environment("USER_POOL_ID", self.pool.user_pool_id)

    def _allow_trigger(self, function: ControlPlaneFunction) -> None:
        """A policy of its own: as a part of the function's role the pool would need what needs the pool."""
        assert function.role is not None  # noqa: S101 - every function of ours has one
        function.role.attach_inline_policy(
            iam.Policy(
                self,
                "IssueClaimsPool",
                statements=[
                    iam.PolicyStatement(
                        actions=["cognito-idp:AdminGetUser"],
                        resources=[self.pool.user_pool_arn],
                    )
                ],
            )
        )


def _machine_secret(scope: Construct, target: Target) -> secretsmanager.Secret:
    secret = secretsmanager.Secret(
        scope,
        "MachineSecret",
        description="Derives the passwords of the users of API keys",
        generate_secret_string=secretsmanager.SecretStringGenerator(
            exclude_punctuation=True, password_length=64
        ),
        removal_policy=target.removal,
    )
    acknowledge(
        secret,
        "SMG4",
        "A change makes the next exchange of every key set a password, so an operator plans it",
    )
    return secret


def _user_pool(scope: Construct, target: Target) -> cognito.UserPool:
    pool = cognito.UserPool(
        scope,
        "Users",
        self_sign_up_enabled=False,
        sign_in_aliases=cognito.SignInAliases(username=True),
        sign_in_case_sensitive=False,
        auto_verify=cognito.AutoVerifiedAttrs(email=True),
        account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
        password_policy=cognito.PasswordPolicy(
            min_length=12,
            require_lowercase=True,
            require_uppercase=True,
            require_digits=True,
            require_symbols=True,
            temp_password_validity=Duration.days(3),
        ),
        mfa=cognito.Mfa.OPTIONAL if target.on_aws else cognito.Mfa.OFF,
        mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False) if target.on_aws else None,
        # Claims in access tokens need Essentials; threat protection, which AWS alone has, Plus.
        feature_plan=cognito.FeaturePlan.PLUS if target.on_aws else cognito.FeaturePlan.ESSENTIALS,
        standard_threat_protection_mode=(
            cognito.StandardThreatProtectionMode.FULL_FUNCTION if target.on_aws else None
        ),
        deletion_protection=target.on_aws,
        removal_policy=target.removal,
    )
    acknowledge(
        pool,
        "COG2",
        "Optional, by authenticator app: command-line sign-in with a password has no second step",
    )
    return pool
