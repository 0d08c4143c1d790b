"""The user pool of Cognito. Every call may be repeated: what is there is taken as it is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import (
    InvalidRequestError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)
from controlplane.people.ports import AccessToken

if TYPE_CHECKING:
    from types_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from types_boto3_cognito_idp.type_defs import AttributeTypeTypeDef

_EXISTS = frozenset({"UsernameExistsException", "GroupExistsException"})
_MISSING = frozenset({"UserNotFoundException", "ResourceNotFoundException"})
_THROTTLED = frozenset({"TooManyRequestsException", "LimitExceededException"})
# Cognito took the address, or its policy, to be wrong: the same call will never work.
_REFUSED = frozenset({"InvalidParameterException", "CodeDeliveryFailureException"})


class CognitoUsers:
    """A UserPool, and the SecondFactors of its users. `client_id` is needed to issue tokens alone.

    `connect` is asked for the client when there is something to do: most tokens are issued without it.
    """

    def __init__(
        self,
        connect: "Callable[[], CognitoIdentityProviderClient]",
        pool_id: str,
        client_id: str = "",
    ) -> None:
        self._connect = connect
        self._pool = pool_id
        self._client_id = client_id

    @property
    def _client(self) -> "CognitoIdentityProviderClient":
        return self._connect()

    def ensure_group(self, name: str) -> None:
        with _own_errors(_EXISTS):
            self._client.create_group(UserPoolId=self._pool, GroupName=name)

    def remove_group(self, name: str) -> None:
        with _own_errors(_MISSING):
            self._client.delete_group(UserPoolId=self._pool, GroupName=name)

    def ensure_person(self, username: str, email: str) -> str:
        with _own_errors(_EXISTS):
            made = self._client.admin_create_user(
                UserPoolId=self._pool,
                Username=username,
                UserAttributes=[
                    {"Name": "email", "Value": email},
                    {"Name": "email_verified", "Value": "true"},
                ],
                DesiredDeliveryMediums=["EMAIL"],
            )
            return _subject(made["User"]["Attributes"])
        return self._subject_of(username)

    def ensure_machine(self, username: str, password: str) -> str:
        subject = None
        with _own_errors(_EXISTS):
            made = self._client.admin_create_user(
                UserPoolId=self._pool, Username=username, MessageAction="SUPPRESS"
            )
            subject = _subject(made["User"]["Attributes"])
        with _own_errors():
            self._client.admin_set_user_password(
                UserPoolId=self._pool, Username=username, Password=password, Permanent=True
            )
        return subject or self._subject_of(username)

    def set_groups(self, username: str, groups: Sequence[str]) -> None:
        with _own_errors():
            found = self._client.admin_list_groups_for_user(
                UserPoolId=self._pool, Username=username
            )
            present = {group["GroupName"] for group in found["Groups"]}
            for name in set(groups) - present:
                self._client.admin_add_user_to_group(
                    UserPoolId=self._pool, Username=username, GroupName=name
                )
            for name in present - set(groups):
                self._client.admin_remove_user_from_group(
                    UserPoolId=self._pool, Username=username, GroupName=name
                )

    def enable(self, username: str) -> None:
        with _own_errors():
            self._client.admin_enable_user(UserPoolId=self._pool, Username=username)

    def disable(self, username: str) -> None:
        """A disabled user's refresh tokens open nothing; signing out ends them for good."""
        self.sign_out(username)
        with _own_errors(_MISSING):
            self._client.admin_disable_user(UserPoolId=self._pool, Username=username)

    def sign_out(self, username: str) -> None:
        with _own_errors(_MISSING):
            self._client.admin_user_global_sign_out(UserPoolId=self._pool, Username=username)

    def reset_password(self, username: str, email: str) -> None:
        self.sign_out(username)
        if self._never_came(username):
            with _own_errors():
                self._client.admin_create_user(
                    UserPoolId=self._pool,
                    Username=username,
                    UserAttributes=[{"Name": "email", "Value": email}],
                    MessageAction="RESEND",
                    DesiredDeliveryMediums=["EMAIL"],
                )
            return
        with _own_errors():
            self._client.admin_reset_user_password(UserPoolId=self._pool, Username=username)

    def remove(self, username: str) -> None:
        with _own_errors(_MISSING):
            self._client.admin_delete_user(UserPoolId=self._pool, Username=username)

    def issue_token(self, username: str, password: str) -> AccessToken:
        """Raises UnauthenticatedError for a user who is locked or gone."""
        with _own_errors():
            answer = self._client.admin_initiate_auth(
                UserPoolId=self._pool,
                ClientId=self._client_id,
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": username, "PASSWORD": password},
            )
        issued = answer.get("AuthenticationResult")
        if issued is None:
            raise UnavailableError("the user pool asks a machine for more than its password")
        return AccessToken(issued["AccessToken"], issued["ExpiresIn"])

    def has_second_factor(self, username: str) -> bool:
        with _own_errors():
            found = self._client.admin_get_user(UserPoolId=self._pool, Username=username)
        return bool(found.get("UserMFASettingList"))

    def _subject_of(self, username: str) -> str:
        with _own_errors():
            found = self._client.admin_get_user(UserPoolId=self._pool, Username=username)
        return _subject(found["UserAttributes"])

    def _never_came(self, username: str) -> bool:
        """Whether the user still has the password of the invitation, which no code can replace."""
        with _own_errors():
            found = self._client.admin_get_user(UserPoolId=self._pool, Username=username)
        return found["UserStatus"] == "FORCE_CHANGE_PASSWORD"


def _subject(attributes: "Sequence[AttributeTypeTypeDef]") -> str:
    return next(item["Value"] for item in attributes if item["Name"] == "sub")


@contextmanager
def _own_errors(harmless: frozenset[str] = frozenset()) -> Iterator[None]:
    """Cognito's errors as ours; those that are harmless end the block quietly."""
    try:
        yield
    except ClientError as failed:
        code = failed.response.get("Error", {}).get("Code", "")
        if code in harmless:
            return
        raise _error_of(code) from failed
    except BotoCoreError as failed:
        raise UnavailableError("the user pool did not answer") from failed


def _error_of(code: str) -> Exception:
    if code in _THROTTLED:
        return ThrottledError("the user pool asks for fewer requests")
    if code in _REFUSED:
        return InvalidRequestError(
            f"the user pool refuses the address or the user ({code})",
            remedy="Check the e-mail address.",
        )
    if code in ("NotAuthorizedException", "UserNotFoundException"):
        return UnauthenticatedError("the user pool knows no such user, or has locked it")
    return UnavailableError(f"the user pool did not do what it was asked ({code})")
