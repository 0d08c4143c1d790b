"""The user pool that people and keys sign in with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from controlplane.errors import InvalidRequestError, UnauthenticatedError, UnavailableError
from controlplane.people.ports import AccessToken


@dataclass(frozen=True)
class PoolUser:
    subject: str
    email: str = ""
    password: str = ""
    enabled: bool = True
    groups: frozenset[str] = frozenset()


@dataclass
class MemoryUserPool:
    """A UserPool. `sent` are the mails, `fails` how many of the next calls find nobody there.

    `crash` runs after a user was made: what a function that dies there leaves behind.
    """

    users: dict[str, PoolUser] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    sent: list[tuple[str, str]] = field(default_factory=list)
    signed_out: list[str] = field(default_factory=list)
    refused_addresses: set[str] = field(default_factory=set)
    fails: int = 0
    crash: Callable[[], None] | None = None
    made: int = 0

    def ensure_group(self, name: str) -> None:
        self._answer()
        self.groups.add(name)

    def remove_group(self, name: str) -> None:
        self._answer()
        self.groups.discard(name)

    def ensure_person(self, username: str, email: str) -> str:
        self._answer()
        if email in self.refused_addresses:
            raise InvalidRequestError("the user pool refuses the address")
        if username not in self.users:
            self.users[username] = PoolUser(self._subject(), email)
            self.sent.append((email, "invitation"))
        pending, self.crash = self.crash, None
        if pending is not None:
            pending()
        return self.users[username].subject

    def ensure_machine(self, username: str, password: str) -> str:
        self._answer()
        present = self.users.get(username) or PoolUser(self._subject())
        self.users[username] = replace(present, password=password)
        return present.subject

    def set_groups(self, username: str, groups: Sequence[str]) -> None:
        self._change(username, groups=frozenset(groups))

    def enable(self, username: str) -> None:
        self._change(username, enabled=True)

    def disable(self, username: str) -> None:
        self._change(username, enabled=False)

    def sign_out(self, username: str) -> None:
        self._answer()
        self.signed_out.append(username)

    def reset_password(self, username: str, email: str) -> None:
        self._answer()
        self.sent.append((email, f"reset of {username}"))

    def remove(self, username: str) -> None:
        self._answer()
        self.users.pop(username, None)

    def issue_token(self, username: str, password: str) -> AccessToken:
        self._answer()
        user = self.users.get(username)
        if user is None or user.password != password or not user.enabled:
            raise UnauthenticatedError("the user pool knows no such user, or has locked it")
        return AccessToken(f"token of {username}", 900)

    def _subject(self) -> str:
        self.made += 1
        return f"sub-{self.made}"

    def _change(self, username: str, **changes: object) -> None:
        self._answer()
        if username not in self.users:
            raise UnavailableError(f"there is no user {username}")
        self.users[username] = replace(self.users[username], **changes)  # type: ignore[arg-type]

    def _answer(self) -> None:
        if self.fails:
            self.fails -= 1
            raise UnavailableError("the user pool did not answer")
