"""People and machines of acme as its administrator works with them, and the user pool that follows."""

from dataclasses import dataclass
from typing import Any

from tests.functions.api_calls import Answer, Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json, sample

ADMIN = "tenant-admin"


@dataclass
class Office:
    """Calls as a tenant administrator; events are delivered when the test says so."""

    call: Api
    cloud: Cloud
    tenant: str = "acme"

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return self.call(method, path, body, tenant=self.tenant, role=ADMIN, **options)

    def invite(self, name: str, *roles: str) -> Json:
        """Invited, with the events delivered: the person has a user."""
        body = {
            "name": name,
            "email": f"{name}@{self.tenant}.example",
            "roles": list(roles) or ["developer"],
        }
        made = self.ask("POST", "/people", body)
        assert made.status == 201, made.body
        self.deliver()
        return self.person(name)

    def person(self, name: str) -> Json:
        found: Json = self.ask("GET", f"/people/{name}").json
        return found

    def principal(self, subject: str) -> Json:
        return self.cloud.item(f"TENANT#{self.tenant}", f"PRINCIPAL#{subject}")

    def deliver(self) -> None:
        """Every event that items hold, once more if it was delivered before: a repeat must be harmless."""
        for detail in self.cloud.stored_events():
            data = detail["data"]
            if detail["metadata"]["source"] == "headrace.people" and (
                "person" in data or "key_id" in data
            ):
                invoke("people/apply_identity", {"detail": detail})

    def user(self, username: str) -> Json:
        found: Json = self.cloud.clients.identity.admin_get_user(
            UserPoolId=self.cloud.user_pool, Username=username
        )
        return found

    def usernames(self) -> set[str]:
        found = self.cloud.clients.identity.list_users(UserPoolId=self.cloud.user_pool)
        return {user["Username"] for user in found["Users"]}

    def groups_of(self, username: str) -> set[str]:
        found = self.cloud.clients.identity.admin_list_groups_for_user(
            UserPoolId=self.cloud.user_pool, Username=username
        )
        return {group["GroupName"] for group in found["Groups"]}

    def claims(self, subject: str, username: str, source: str = "Authentication") -> Json:
        """What the trigger puts into the next access token."""
        event = sample("cognito_pre_token_generation")
        event |= {
            "userName": username,
            "userPoolId": self.cloud.user_pool,
            "triggerSource": f"TokenGeneration_{source}",
        }
        event["request"]["userAttributes"] = {"sub": subject}
        answered = invoke("tenancy/issue_claims", event)
        details = answered["response"]["claimsAndScopeOverrideDetails"]
        claims: Json = details["accessTokenGeneration"]["claimsToAddOrOverride"]
        return claims

    def set_up_second_factor(self, username: str) -> None:
        """What a person does with an authenticator app."""
        identity, pool = self.cloud.clients.identity, self.cloud.user_pool
        password = "Long-enough-1"
        identity.admin_set_user_password(
            UserPoolId=pool, Username=username, Password=password, Permanent=True
        )
        token = identity.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=self.cloud.client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": password},
        )["AuthenticationResult"]["AccessToken"]
        identity.associate_software_token(AccessToken=token)
        identity.verify_software_token(AccessToken=token, UserCode="123456")
        identity.admin_set_user_mfa_preference(
            UserPoolId=pool,
            Username=username,
            SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True},
        )

    def machine_key(self, *scopes: str, machine: str = "ci", **wanted: Any) -> Json:
        """A new key of a machine that is made if it is missing; `api_key` is its text."""
        self.ask("POST", "/machines", {"name": machine})
        body = {"machine": machine, "scopes": list(scopes) or ["read"]} | wanted
        made = self.ask("POST", "/keys", body)
        assert made.status == 201, made.body
        created: Json = made.json
        return created

    def exchange(self, text: str) -> Answer:
        return self.call.call_as(None, "POST", "/token", {"api_key": text})
