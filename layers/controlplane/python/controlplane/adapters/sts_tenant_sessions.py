"""Credentials that reach the data of one tenant alone: sessions of one role, tagged with the tenant's name.

STS is asked without its SDK client: signing one kind of request takes some twenty lines, the client a tenth of a
second of every cold start (docs/adr/0013). The signature is Signature Version 4,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import http.client
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from controlplane.errors import ThrottledError, UnavailableError
from controlplane.identifiers import MAX_TENANT_LENGTH, is_name

TENANT_TAG = "tenant_id"
# What STS grants at most to a session that a session asks for, as a function's own role is one.
SESSION_SECONDS = 3600
TIMEOUT_SECONDS = 2.0
ATTEMPTS = 3
PAUSE_SECONDS = 0.05

_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
_SIGNED_HEADERS = "content-type;host;x-amz-date;x-amz-security-token"
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded"})


class SessionRefusedError(RuntimeError):
    """STS refuses the function such a session at all: a fault of the deployment, not of the request."""


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of AWS, all three parts."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True)
class TenantSession:
    """What STS has granted, and until when."""

    credentials: Credentials
    expires_at: datetime


@dataclass(frozen=True)
class Sts:
    """Where STS is, and as whom it is asked."""

    endpoint_url: str
    region: str
    caller: Credentials


class TenantRole:
    """The one role of all tenants' data; each of its sessions is one tenant's."""

    def __init__(self, sts: Sts, role_arn: str) -> None:
        self._sts = sts
        self._role_arn = role_arn

    def open_session(self, tenant_id: str) -> TenantSession:
        """A new session, good for an hour.

        Raises ThrottledError, UnavailableError; ValueError for what is no tenant's name, SessionRefusedError.
        """
        if not is_name(tenant_id, MAX_TENANT_LENGTH):
            raise ValueError("a session needs the name of a tenant")
        body = urlencode(
            {
                "Action": "AssumeRole",
                "Version": "2011-06-15",
                "RoleArn": self._role_arn,
                "RoleSessionName": f"tenant-{tenant_id}",
                "DurationSeconds": SESSION_SECONDS,
                "Tags.member.1.Key": TENANT_TAG,
                "Tags.member.1.Value": tenant_id,
            }
        ).encode()
        return _session_in(self._ask(body))

    def _ask(self, body: bytes) -> str:
        for attempt in range(1, ATTEMPTS + 1):
            answered = self._try(body)
            if answered is not None and answered[0] == http.client.OK:
                return answered[1]
            code = _element(answered[1], "Code") if answered else None
            if code in _THROTTLED:
                raise ThrottledError("STS asks for fewer sessions")
            if answered and answered[0] < http.client.INTERNAL_SERVER_ERROR:
                raise SessionRefusedError(f"STS refuses a session of the tenants' role: {code}")
            if attempt < ATTEMPTS:
                time.sleep(PAUSE_SECONDS * attempt)
        raise UnavailableError("STS did not answer")

    def _try(self, body: bytes) -> tuple[int, str] | None:
        """Status and body of the answer; None when there was none."""
        url = urlsplit(self._sts.endpoint_url)
        is_tls = url.scheme == "https"
        connect = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = connect(url.netloc, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(
                "POST", "/", body, signed_headers(self._sts, url.netloc, body, datetime.now(UTC))
            )
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def signed_headers(sts: Sts, host: str, body: bytes, moment: datetime) -> dict[str, str]:
    """The headers of a POST of a form to `/`, its signature among them."""
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{sts.region}/sts/aws4_request"
    canonical = "\n".join(
        (
            "POST",
            "/",
            "",
            f"content-type:{_CONTENT_TYPE}",
            f"host:{host}",
            f"x-amz-date:{stamp}",
            f"x-amz-security-token:{sts.caller.session_token}",
            "",
            _SIGNED_HEADERS,
            hashlib.sha256(body).hexdigest(),
        )
    )
    to_sign = "\n".join(
        ("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{sts.caller.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    return {
        "Content-Type": _CONTENT_TYPE,
        "Host": host,
        "X-Amz-Date": stamp,
        "X-Amz-Security-Token": sts.caller.session_token,
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={sts.caller.access_key_id}/{scope}, "
            f"SignedHeaders={_SIGNED_HEADERS}, Signature={signature}"
        ),
    }


def _session_in(answer: str) -> TenantSession:
    key, secret, token, expiry = (
        _element(answer, name)
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    )
    if not (key and secret and token and expiry):
        raise UnavailableError("STS answered without credentials")
    return TenantSession(Credentials(key, secret, token), datetime.fromisoformat(expiry))


def _element(xml: str, name: str) -> str | None:
    """The text of the first element of a name; none of those that are asked for holds a character that XML escapes."""
    found = re.search(f"<{name}>([^<]*)</{name}>", xml)
    return found.group(1).strip() if found else None
