"""The check that the other tests rely on can fail."""

import pytest

from tests.local.kserve_controller.schema import assert_conforms, require_definition


@pytest.mark.parametrize(
    "status",
    [
        {"modelStatus": {"transitionStatus": "Broken"}},
        {"modelStatus": {"transitionStatus": "UpToDate", "copies": {"totalCopies": 1}}},
        {"observedGeneration": "1"},
        {"phase": "Running"},
        {"conditions": [{"type": "Ready"}]},
    ],
)
def test_a_status_that_kserve_would_not_write_is_found(status: dict[str, object]) -> None:
    require_definition()

    with pytest.raises(AssertionError):
        assert_conforms(status)
