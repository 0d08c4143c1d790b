"""What a request is about, and what its writer said about the write."""

from dataclasses import KW_ONLY, dataclass

from local.kubernetes_api.authentication import User
from local.kubernetes_api.resources import Resource


@dataclass(frozen=True)
class Target:
    """What a request is about; `name` and `namespace` are empty where it names none."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True)
class WriteOptions:
    """The query parameters of a write, and who writes: there is no write without somebody's rights."""

    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    _: KW_ONLY
    user: User
