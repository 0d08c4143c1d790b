"""What a fresh stack holds, made through the API; bringing it up again changes none of it."""

import stat

from local.seed import TENANT_ROLES, TENANTS, seed
from local.stack import api_url
from tests.stack.running import RunningStack


def test_everyone_can_sign_in_and_works_for_the_own_tenant(stack: RunningStack) -> None:
    users = stack.described["users"]
    assert [(user["tenant"], user["role"]) for user in users] == [
        (None, "platform-admin"),
        *((tenant, role) for tenant in TENANTS for role in TENANT_ROLES),
    ]
    for user in users:
        told = stack.caller(user["tenant"], user["role"]).get("/me")
        assert (told["tenant"] or {}).get("tenant") == user["tenant"]
        assert told["roles"] == [user["role"]]
    mode = stat.S_IMODE((stack.settings.state / "credentials.json").stat().st_mode)
    assert mode == 0o600


def test_tenants_are_whole(stack: RunningStack) -> None:
    platform = stack.caller(None, "platform-admin")
    for tenant in TENANTS:
        found = platform.get(f"/tenants/{tenant}")
        assert found["status"] == "Active"
        assert {step["state"] for step in found["steps"]} == {"Done", "Skipped"}
        for namespace in (f"tenant-{tenant}", f"tenant-{tenant}-runs"):
            assert stack.cluster.find("/api/v1/namespaces", "", namespace)


def test_a_repeated_seed_changes_neither_users_nor_tenants(stack: RunningStack) -> None:
    platform = stack.caller(None, "platform-admin")
    before = [platform.call("GET", f"/tenants/{tenant}").headers["ETag"] for tenant in TENANTS]
    outputs = {
        "UserPoolId": stack.described["user_pool_id"],
        "ClientId": stack.described["client_id"],
        "TableName": stack.described["table_name"],
        **_cluster_secrets(stack),
    }
    url = stack.described["api_url"]
    assert url == api_url(stack.settings, url.split("/")[-2])

    users = seed(stack.cloud, stack.settings, outputs, url)

    assert [user.described() for user in users] == stack.described["users"]
    after = [platform.call("GET", f"/tenants/{tenant}").headers["ETag"] for tenant in TENANTS]
    assert after == before


def _cluster_secrets(stack: RunningStack) -> dict[str, str]:
    """The two secrets by the account whose token each holds."""
    secrets = stack.aws("secretsmanager")
    found = {}
    for secret in secrets.list_secrets()["SecretList"]:
        text = secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"]
        if '"certificate_authority"' in text:  # no other holds JSON; some are random characters
            is_onboarding = "headrace-onboarding" in secret["Description"]
            output = "OnboardingClusterSecretArn" if is_onboarding else "ClusterSecretArn"
            found[output] = secret["ARN"]
    return found
