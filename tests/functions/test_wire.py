"""What the counts of calls to AWS count."""

from typing import Any

from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api


def test_a_call_that_an_sdk_repeats_is_counted_once(call: Api, wire: Wire) -> None:
    call("POST", "/projects", {"name": "vision"})
    failed: list[Call] = []

    def fail_once(made: Call) -> tuple[int, dict[str, Any]] | None:
        if made.action != "GetItem" or failed:
            return None
        failed.append(made)
        return 500, {"__type": "InternalServerError"}

    wire.before = fail_once
    with wire.recording() as made:
        assert call("GET", "/projects/vision").status == 200

    assert [one.name for one in made] == ["GetItem"]
    assert [one.attempt for one in wire.calls if one.action == "GetItem"] == [1, 2]
