"""Who is asking: the admin's bearer token, and tokens of ServiceAccounts (JWT, HS256, kept nowhere)."""

import base64
import datetime
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.kubernetes_api.errors import Json, invalid

ISSUER = "https://kubernetes.default.svc.cluster.local"
ANONYMOUS = "system:anonymous"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_ACCOUNT, _ACCOUNTS = "system:serviceaccount:", "system:serviceaccounts"
_SHORTEST, _LONGEST, _USUAL = 600, 2**32, 3600


@dataclass(frozen=True)
class User:
    """The authenticated caller, as TokenReview and SelfSubjectReview show it."""

    username: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)

    def info(self) -> Json:
        info: Json = {"username": self.username, "groups": list(self.groups)}
        if self.uid:
            info["uid"] = self.uid
        if self.extra:
            info["extra"] = self.extra
        return info


ADMIN = User("kubernetes-admin", ("system:masters", AUTHENTICATED))
SYSTEM = User("system:apiserver", ("system:masters",))


def service_account_name(namespace: str, name: str) -> str:
    """The user name of a ServiceAccount."""
    return f"{_ACCOUNT}{namespace}:{name}"


def split_service_account(username: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user name means, None for other users."""
    parts = username.removeprefix(_ACCOUNT).split(":")
    if not username.startswith(_ACCOUNT) or len(parts) != 2 or not all(parts):
        return None
    return parts[0], parts[1]


def service_account_groups(namespace: str) -> tuple[str, ...]:
    return (_ACCOUNTS, f"{_ACCOUNTS}:{namespace}")


class Authenticator:
    """Issues and checks tokens. `account` looks up a ServiceAccount by namespace and name."""

    def __init__(
        self,
        admin_token: str,
        signing_key: bytes,
        account: Callable[[str, str], Json | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._admin_token = admin_token.encode()
        self._key = signing_key
        self._account = account
        self._clock = clock

    def from_header(self, header: str) -> User | None:
        """The caller that an Authorization header proves, or None."""
        scheme, _, token = header.partition(" ")
        return self.authenticate(token.strip()) if scheme.lower() == "bearer" else None

    def authenticate(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User | None:
        """The token's owner if it is genuine, current, for this server and its account still exists."""
        if hmac.compare_digest(token.encode(errors="replace"), self._admin_token):
            return ADMIN
        claims = self._claims(token)
        if claims is None or not set(audiences) & set(claims["aud"]):
            return None
        if not claims["nbf"] <= self._clock() < claims["exp"]:
            return None
        return self._service_account(claims)

    def _claims(self, token: str) -> Json | None:
        signed, _, signature = token.rpartition(".")
        if not signed or self._sign(signed) != signature:
            return None
        claims: Json = json.loads(_decoded(signed.partition(".")[2]))
        return claims

    def _sign(self, text: str) -> str:
        return _encoded(hmac.new(self._key, text.encode(), hashlib.sha256).digest())

    def _service_account(self, claims: Json) -> User | None:
        private = claims["kubernetes.io"]
        namespace, bound = private["namespace"], private["serviceaccount"]
        account = self._account(namespace, bound["name"])
        if account is None or account["metadata"]["uid"] != bound["uid"]:
            return None
        if "deletionTimestamp" in account["metadata"]:
            return None
        groups = (*service_account_groups(namespace), AUTHENTICATED)
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        return User(claims["sub"], groups, bound["uid"], extra)

    def issue(self, account: Json, request: Json) -> Json:
        """Answer a TokenRequest; the token dies with the account. Lifetimes are seconds, 600 at least."""
        spec = request.get("spec") or {}
        lifetime: Any = spec.get("expirationSeconds") or _USUAL
        if not isinstance(lifetime, int) or not _SHORTEST <= lifetime <= _LONGEST:
            why = f"Invalid value: {lifetime}: may not specify a duration less than 10 minutes"
            raise invalid(
                "TokenRequest", "authentication.k8s.io", "", [("spec.expirationSeconds", why)]
            )
        audiences = list(spec.get("audiences") or [ISSUER])
        expiry = int(self._clock()) + lifetime
        token = self._token(account["metadata"], audiences, expiry)
        ends = datetime.datetime.fromtimestamp(expiry, datetime.UTC)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": account["metadata"]["name"],
                "namespace": account["metadata"]["namespace"],
            },
            "spec": {"audiences": audiences, "expirationSeconds": lifetime},
            "status": {"token": token, "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ")},
        }

    def _token(self, metadata: Json, audiences: list[str], expiry: int) -> str:
        issued = int(self._clock())
        namespace, name = metadata["namespace"], metadata["name"]
        claims = {
            "iss": ISSUER,
            "sub": service_account_name(namespace, name),
            "aud": audiences,
            "iat": issued,
            "nbf": issued,
            "exp": expiry,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": metadata["uid"]},
            },
        }
        head = _encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = f"{head}.{_encoded(json.dumps(claims).encode())}"
        return f"{signed}.{self._sign(signed)}"

    def review(self, request: Json) -> Json:
        """Answer a TokenReview."""
        spec = request.get("spec") or {}
        audiences = tuple(spec.get("audiences") or (ISSUER,))
        user = self.authenticate(str(spec.get("token") or ""), audiences)
        status: Json = {"authenticated": False, "error": "the token is not valid here"}
        if user:
            status = {"authenticated": True, "user": user.info(), "audiences": list(audiences)}
        return {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {},
            "spec": spec,
            "status": status,
        }


def self_subject_review(user: User) -> Json:
    """Answer ``kubectl auth whoami``."""
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "status": {"userInfo": user.info()},
    }


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
