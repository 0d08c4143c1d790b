"""Every test runs at a moment that stands still until the test moves it."""

from collections.abc import Iterator

import pytest

# Imported here so that the clock finds them: it stops the modules that are loaded.
from controlplane.adapters import dynamodb_items, s3_upload_authority
from controlplane.registry import registration
from controlplane.registry import service as registry_service
from controlplane.serving import opening, retirement
from controlplane.serving import service as serving_service
from tests.fakes import Clock, clock_stopped

CLOCKED = (
    dynamodb_items,
    opening,
    registration,
    registry_service,
    retirement,
    s3_upload_authority,
    serving_service,
)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with clock_stopped() as clock:
        yield clock
