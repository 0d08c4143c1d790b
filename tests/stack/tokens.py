"""Forged tokens: what an attacker could make, and what only the pool itself could.

The embedded pool keeps its private keys in its state folder. With them a test signs what Cognito never would: a token
that is right in all but one thing.
"""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tests.stack.caller import Json
from tests.stack.running import RunningStack


@dataclass(frozen=True)
class Forge:
    """Makes tokens from a good one of acme's developer."""

    good: str
    id_token: str
    private_key: Any
    public_pem: bytes

    @classmethod
    def of(cls, stack: RunningStack) -> "Forge":
        pool = stack.described["user_pool_id"]
        folder = stack.settings.state / "cloud" / "services" / "cognito-pool-keys"
        key = load_pem_private_key((folder / f"{pool}-access.pem").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        tokens = sign_in(stack)
        return cls(tokens["AccessToken"], tokens["IdToken"], key, public)

    @property
    def claims(self) -> Json:
        return jwt.decode(self.good, options={"verify_signature": False})

    @property
    def key_id(self) -> str:
        return str(jwt.get_unverified_header(self.good)["kid"])

    def signed(self, **changed: Any) -> str:
        """As the pool signs, with other claims; None leaves one out."""
        claims = {n: v for n, v in (self.claims | changed).items() if v is not None}
        return jwt.encode(claims, self.private_key, "RS256", {"kid": self.key_id})

    def tampered(self, **changed: Any) -> str:
        """The good token's header and signature around other claims."""
        header, _, signature = self.good.split(".")
        return f"{header}.{encoded(self.claims | changed)}.{signature}"

    def unsigned(self, algorithm: str = "none") -> str:
        header = encoded({"alg": algorithm, "typ": "JWT", "kid": self.key_id})
        return f"{header}.{encoded(self.claims)}."

    def signed_with_the_public_key(self) -> str:
        """HS256 with the key that everybody can read: a verifier that believes the header takes it.

        PyJWT refuses to make it.
        """
        signing = f"{encoded({'alg': 'HS256', 'kid': self.key_id})}.{encoded(self.claims)}"
        signature = hmac.new(self.public_pem, signing.encode(), hashlib.sha256).digest()
        return f"{signing}.{_text(signature)}"

    def signed_by_a_stranger(self, key_id: str | None = None) -> str:
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return jwt.encode(self.claims, stranger, "RS256", {"kid": key_id or self.key_id})


def forgeries(forge: Forge) -> dict[str, str | None]:
    """Every token that the gateway must refuse, by what is wrong with it; None is no token at all."""
    now = int(time.time())
    elsewhere = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Elsewhere"
    return {
        "none": None,
        "empty": "",
        "garbage": "garbage",
        "three parts of garbage": "a.b.c",
        "expired": forge.signed(exp=now - 1, iat=now - 3600),
        "not yet valid": forge.signed(nbf=now + 3600),
        "wrong audience": forge.signed(client_id="another-client"),
        "no audience": forge.signed(client_id=None),
        "wrong issuer": forge.signed(iss=elsewhere),
        "no issuer": forge.signed(iss=None),
        "alg none": forge.unsigned(),
        "alg None": forge.unsigned("None"),
        "HS256 with the public key": forge.signed_with_the_public_key(),
        "unknown kid": forge.signed_by_a_stranger("a-stranger"),
        "a stranger's key under a known kid": forge.signed_by_a_stranger(),
        "tampered tenant": forge.tampered(tenant_id="globex"),
        "tampered roles": forge.tampered(roles="platform-admin"),
        "tampered expiry": forge.tampered(exp=now + 10**6),
        "signature cut off": forge.good.rpartition(".")[0] + ".",
        "signature of zeros": forge.good.rpartition(".")[0] + "." + _text(bytes(256)),
    }


def sign_in(stack: RunningStack, tenant: str = "acme", role: str = "developer") -> Json:
    user = stack.user(tenant, role)
    answer = stack.aws("cognito-idp").initiate_auth(
        ClientId=stack.described["client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user["username"], "PASSWORD": user["password"]},
    )
    tokens: Json = answer["AuthenticationResult"]
    return tokens


def encoded(part: Json) -> str:
    return _text(json.dumps(part, separators=(",", ":")).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
