"""Who may sign in, and what a client may change about itself."""

from tests.infrastructure.assembly import Assembly


def test_people_are_added_by_administrators_alone(assembly: Assembly) -> None:
    pool = assembly.only("AWS::Cognito::UserPool").properties

    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12


def test_claims_come_from_the_token_function(assembly: Assembly) -> None:
    pool = assembly.only("AWS::Cognito::UserPool").properties
    trigger = pool["LambdaConfig"]["PreTokenGenerationConfig"]

    assert trigger["LambdaVersion"] == "V2_0"
    assert trigger["LambdaArn"]["Fn::GetAtt"][0].startswith("IssueClaims")
    assert pool["UserPoolTier"] in {"ESSENTIALS", "PLUS"}  # Lite calls no V2 trigger


def test_the_client_is_public_short_lived_and_may_change_next_to_nothing(
    assembly: Assembly,
) -> None:
    client = assembly.only("AWS::Cognito::UserPoolClient").properties

    assert client["GenerateSecret"] is False
    assert (
        set(client["ExplicitAuthFlows"])
        == {
            "ALLOW_USER_PASSWORD_AUTH",
            "ALLOW_USER_SRP_AUTH",
            "ALLOW_REFRESH_TOKEN_AUTH",
            "ALLOW_ADMIN_USER_PASSWORD_AUTH",  # with the function's own rights, for the users of API keys
        }
    )
    assert client["WriteAttributes"] == ["locale"]
    assert client["EnableTokenRevocation"] is True
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["TokenValidityUnits"]["AccessToken"] == "minutes"
    assert client["AccessTokenValidity"] <= 15
    assert client["AllowedOAuthFlowsUserPoolClient"] is False


def test_each_role_of_people_has_its_group(assembly: Assembly) -> None:
    groups = {r.properties["GroupName"] for r in assembly.resources("AWS::Cognito::UserPoolGroup")}

    assert groups == {"platform-admin", "tenant-admin", "developer", "viewer"}


def test_aws_watches_sign_ins_and_offers_a_second_factor(on_aws: Assembly) -> None:
    pool = on_aws.only("AWS::Cognito::UserPool").properties

    assert pool["UserPoolAddOns"] == {"AdvancedSecurityMode": "ENFORCED"}
    assert pool["MfaConfiguration"] == "OPTIONAL"
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
