"""What the server keeps beside its database: certificates, the admin's token, the key that signs tokens.

Every file is made once and is readable by its owner alone.
"""

import base64
import os
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _kept_secret(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


@dataclass(frozen=True)
class Credentials:
    """The CA (PEM), the server's TLS context, the admin's bearer token, the token signing key."""

    ca: bytes
    tls: ssl.SSLContext
    admin_token: str
    signing_key: bytes


def load_credentials(state: Path) -> Credentials:
    """Read the state directory's credentials, making what is missing."""
    certificate, chain = state / "ca.pem", state / "server.pem"
    if not (certificate.exists() and chain.exists()):
        authority = trustme.CA(organization_name="Headrace embedded Kubernetes API")
        leaf = authority.issue_cert("127.0.0.1", "localhost")
        pem = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        write_private(state / "ca.key", authority.private_key_pem.bytes())
        write_private(chain, leaf.private_key_pem.bytes() + pem)
        write_private(certificate, authority.cert_pem.bytes())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    return Credentials(
        certificate.read_bytes(),
        tls,
        _kept_secret(state / "admin.token"),
        _kept_secret(state / "signing.key").encode(),
    )


def write_kubeconfig(path: Path, port: int, credentials: Credentials) -> None:
    """A kubeconfig for the admin, its CA inside."""
    name = "headrace"
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": base64.b64encode(credentials.ca).decode(),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": credentials.admin_token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "current-context": name,
    }
    write_private(path, yaml.safe_dump(config, sort_keys=False).encode())
