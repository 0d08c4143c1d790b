"""Acting as another (``kubectl --as``): whom a request names in its Impersonate headers, and who may."""

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from local.kubernetes_api.authentication import (
    ANONYMOUS,
    AUTHENTICATED,
    UNAUTHENTICATED,
    User,
    service_account_groups,
    split_service_account,
)
from local.kubernetes_api.authorization import Attributes, Authorizer
from local.kubernetes_api.errors import bad_request

_PREFIX, _EXTRA = "impersonate-", "impersonate-extra-"


def impersonated(headers: Iterable[tuple[str, str]], user: User, authorizer: Authorizer) -> User:
    """The user whose rights count: the one that the headers name, else the caller.

    Raises a 403 StatusError for the first thing that the caller may not impersonate, 400 where no user is named.
    """
    named = [(key.lower(), value) for key, value in headers if key.lower().startswith(_PREFIX)]
    if not named:
        return user
    other = _named(named)
    for asked in _needed(other):
        authorizer.require(user, asked)
    return User(other.username, _completed(other), other.uid, other.extra)


def _named(headers: list[tuple[str, str]]) -> User:
    """The user exactly as the headers have it."""
    username = next((value for key, value in headers if key == "impersonate-user"), "")
    groups = tuple(value for key, value in headers if key == "impersonate-group")
    uid = next((value for key, value in headers if key == "impersonate-uid"), "")
    extra: dict[str, list[str]] = {}
    for key, value in headers:
        if key.startswith(_EXTRA):
            extra.setdefault(unquote(key.removeprefix(_EXTRA)).lower(), []).append(value)
    if not username:
        raise bad_request(
            "requested groups, uid or extra fields without impersonating a user: "
            "send Impersonate-User as well"
        )
    return User(username, groups, uid, extra)


def _needed(other: User) -> Iterator[Attributes]:
    account = split_service_account(other.username)
    if account:
        namespace, name = account
        yield Attributes("impersonate", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes("impersonate", resource="users", name=other.username)
    for group in other.groups:
        yield Attributes("impersonate", resource="groups", name=group)
    for key, values in other.extra.items():
        for value in values:
            yield Attributes(
                "impersonate",
                "authentication.k8s.io",
                "userextras",
                subresource=key,
                name=value,
            )
    if other.uid:
        yield Attributes("impersonate", "authentication.k8s.io", "uids", name=other.uid)


def _completed(other: User) -> tuple[str, ...]:
    """The groups that come with a user: an account's own where none are named, and whether it is known."""
    groups = other.groups
    account = split_service_account(other.username)
    if account and not groups:
        groups = service_account_groups(account[0])
    if other.username == ANONYMOUS:
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    if {AUTHENTICATED, UNAUTHENTICATED} & set(groups):
        return groups
    return (*groups, AUTHENTICATED)
