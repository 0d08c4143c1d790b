"""Names and identifiers that every capability shares.

Names become parts of Kubernetes names joined with `--`, so they contain none, and they are short enough that every
joined name keeps within 53 characters: KServe appends suffixes of up to ten, and a label holds 63.
"""

import re
import time
from datetime import UTC, datetime
from secrets import token_hex
from typing import Annotated

from pydantic import StringConstraints

NAME_PATTERN = r"^[a-z](?:-?[a-z0-9])*$"

MAX_TENANT_LENGTH = 30

TenantId = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=MAX_TENANT_LENGTH)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=20)]
UploadId = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=40)]
RolloutId = Annotated[str, StringConstraints(pattern=r"^r-[0-9a-f]{8,40}$")]

# Uploads lie in a folder of this name below their model: a project or model of that name could not be told from it.
RESERVED_NAME = "uploads"

# The tenant_id in events about the platform itself.
PLATFORM = "platform"
# What no tenant may be called: the platform's own name, and Kubernetes' and Scheduler's own default.
RESERVED_TENANT_IDS = frozenset({PLATFORM, "default", "system"})
# No tenant's name may end so: its namespace would be another tenant's one for runs.
RUNS_SUFFIX = "-runs"

_NAME = re.compile(NAME_PATTERN)


def is_name(text: str, max_length: int = 20) -> bool:
    return len(text) <= max_length and _NAME.fullmatch(text) is not None


def is_reserved_tenant_id(text: str) -> bool:
    return text in RESERVED_TENANT_IDS or text.endswith(RUNS_SUFFIX)


def new_sortable_id(prefix: str) -> str:
    """An identifier whose text order is the order of creation, to the millisecond."""
    return f"{prefix}-{time.time_ns() // 1_000_000:012x}{token_hex(4)}"


def now() -> datetime:
    """The present moment in UTC, to the millisecond: what is stored and shown is the same."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def revocation_mark(moment: datetime) -> int:
    """The `revoked_before` that refuses every token issued up to this moment, in seconds since the epoch.

    Tokens carry whole seconds, so the mark is the next one: a token issued in the very second of the revocation dies
    too, even if it was issued after it, and its bearer signs in once more.
    """
    return int(moment.timestamp()) + 1


def serving_namespace(tenant_id: str) -> str:
    """Where a tenant's models run."""
    return f"tenant-{tenant_id}"


def runs_namespace(tenant_id: str) -> str:
    """Where a tenant's pipelines run. No tenant's own name ends in `-runs`, so the two never meet."""
    return f"tenant-{tenant_id}{RUNS_SUFFIX}"


def route_name(project: str, deployment: str) -> str:
    """The HTTPRoute of a deployment, and the last segment of its path."""
    return f"{project}--{deployment}"


def revision_name(project: str, deployment: str, version: int) -> str:
    """The InferenceService of one revision."""
    return f"{project}--{deployment}--v{version}"
