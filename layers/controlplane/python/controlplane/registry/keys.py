"""The object keys of uploads and of the registry, and what their segments mean.

models/<tenant>/<project>/<model>/<file>                      a plain upload: one object, one version
models/<tenant>/<project>/<model>/uploads/<upload>/<path>     one file of an upload of several
models/<tenant>/<project>/<model>/uploads/<upload>/manifest.json   arrives last and makes the upload count
registry/tenant-<tenant>/<project>/<model>/<version>/<path>   a registered version, written by Headrace alone
"""

import re
from dataclasses import dataclass

from controlplane.errors import UploadRejectedError
from controlplane.identifiers import RESERVED_NAME, is_name, serving_namespace

INBOX = "models"
REGISTRY = "registry"
MANIFEST = "manifest.json"
MAX_PATH_LENGTH = 200

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class UploadKey:
    """Where an arrived object belongs: a manifest names an `upload`, a plain upload a `file`."""

    tenant_id: str
    project: str
    model: str
    upload: str | None = None
    file: str | None = None

    @property
    def folder(self) -> str:
        """The key prefix, with its slash, below which the upload's files lie."""
        prefix = model_prefix(self.tenant_id, self.project, self.model)
        return f"{prefix}uploads/{self.upload}/" if self.upload else prefix


def model_prefix(tenant_id: str, project: str, model: str) -> str:
    """Where a tenant may put files of one model."""
    return f"{INBOX}/{tenant_id}/{project}/{model}/"


def upload_prefix(tenant_id: str, project: str, model: str, upload_id: str) -> str:
    return f"{model_prefix(tenant_id, project, model)}uploads/{upload_id}/"


def registry_prefix(tenant_id: str, project: str, model: str, version: int) -> str:
    """Where a registered version lies; the second segment is the tenant's serving namespace."""
    return f"{REGISTRY}/{serving_namespace(tenant_id)}/{project}/{model}/{version}/"


def is_file_path(path: str) -> bool:
    """Whether a path is safe below any prefix: relative, plain characters, no hidden or empty segment."""
    return len(path) <= MAX_PATH_LENGTH and _PATH.fullmatch(path) is not None


def tenant_of(key: str) -> str | None:
    """The tenant in whose inbox a key lies, whatever else is wrong with it."""
    match key.split("/"):
        case [prefix, tenant_id, *_] if prefix == INBOX and is_name(tenant_id, 30):
            return tenant_id
    return None


def is_within_upload(key: str) -> bool:
    """Whether a key is that of a file which is called as manifests are, deeper in an upload: it completes nothing."""
    match key.split("/"):
        case [prefix, _, _, _, "uploads", _, _, *_, last]:
            return prefix == INBOX and last == MANIFEST
    return False


def parse_upload_key(key: str) -> UploadKey:
    """Raises UploadRejectedError (BadKey) for a key that names no model, or no usable names."""
    match key.split("/"):
        case [prefix, tenant_id, project, model, file] if prefix == INBOX and is_file_path(file):
            parsed = UploadKey(tenant_id, project, model, file=file)
        case [prefix, tenant_id, project, model, "uploads", upload, last] if (
            prefix == INBOX and last == MANIFEST
        ):
            parsed = UploadKey(tenant_id, project, model, upload=upload)
        case _:
            raise _bad_key(key, "it is not of the form models/<tenant>/<project>/<model>/<file>")
    names = {"project": parsed.project, "model": parsed.model, "upload": parsed.upload or "x"}
    bad = [
        what for what, name in names.items() if not is_name(name, 40 if what == "upload" else 20)
    ]
    if RESERVED_NAME in (parsed.project, parsed.model):
        raise _bad_key(key, f"no project or model may be called {RESERVED_NAME}")
    if bad or not is_name(parsed.tenant_id, 30):
        raise _bad_key(key, f"its {' and '.join(bad) or 'tenant'} is no valid name")
    return parsed


def _bad_key(key: str, why: str) -> UploadRejectedError:
    return UploadRejectedError(
        "BadKey",
        f"the key {key} cannot be registered: {why}",
        remedy="Upload to models/<tenant>/<project>/<model>/<file>; names are lower-case letters, digits and "
        "single hyphens, at most 20 characters.",
    )
