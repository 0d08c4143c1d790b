"""Orders of faults as a developer writes them, and the files that servers read."""

from pathlib import Path
from typing import Any

import pytest

from local.kserve_controller.faults import FaultFiles, Orders, read_order, write_order
from local.kserve_controller.specification import Key
from local.serving.faults import NO_FAULT, Fault, FaultFile, FaultInvalidError

KEY = Key("tenant-acme", "digits--digits--v3")


def config_map(namespace: str = KEY.namespace, **data: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": "headrace-embedded-faults"}, "data": data}


@pytest.mark.parametrize(
    ("revision", "fits"),
    [
        ("digits--digits--v3", True),
        ("*--v3", True),
        ("*", True),
        ("digits--digits--v?", True),
        ("digits--digits--v33", False),
        ("*--v", False),
        ("DIGITS*", False),
    ],
)
def test_a_revision_is_named_or_matched(revision: str, fits: bool) -> None:
    orders = Orders()
    orders.replace([config_map(a=f"revision: '{revision}'\nerrorRate: 0.5")])

    assert (orders.fault_of(KEY) == Fault(errorRate=0.5)) == fits


def test_an_order_is_about_its_own_namespace() -> None:
    orders = Orders()
    orders.replace([config_map("tenant-globex", a="{revision: '*', errorRate: 1}")])

    assert orders.fault_of(KEY) == NO_FAULT


def test_of_several_orders_the_last_by_name_decides() -> None:
    orders = Orders()
    orders.update(
        config_map(
            b="{revision: '*', errorRate: 0.2}",
            a="{revision: '*--v3', errorRate: 0.1, latencyMs: 50}",
        )
    )

    assert orders.fault_of(KEY) == Fault(errorRate=0.2, latencyMs=50)


def test_an_order_that_is_removed_is_over() -> None:
    orders = Orders()
    orders.update(config_map(a="{revision: '*', neverReady: true}"))
    assert orders.fault_of(KEY).neverReady

    orders.remove(KEY.namespace)

    assert orders.fault_of(KEY) == NO_FAULT


def test_an_order_that_cannot_be_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    orders = Orders()
    orders.update(
        config_map(bad="{revision: '*', errorRate: 2}", good="{revision: '*', hang: all}")
    )

    assert orders.fault_of(KEY) == Fault(hang="all")
    assert "tenant-acme/headrace-embedded-faults: bad is left out: errorRate" in caplog.text


@pytest.mark.parametrize("text", ["errorRate: 0.5", "{", "- revision", "revision: 3", ""])
def test_a_text_without_a_revision_is_no_order(text: str) -> None:
    with pytest.raises(FaultInvalidError):
        read_order(text)


def test_what_is_written_is_read() -> None:
    fault = Fault(latencyMs=800, latencyJitterMs=200, hang="requests")

    order = read_order(write_order("*--v3", fault))

    assert order.revision == "*--v3"
    assert order.fields == {"latencyMs": 800, "latencyJitterMs": 200, "hang": "requests"}


def test_a_server_finds_its_fault_until_it_is_over(tmp_path: Path) -> None:
    files = FaultFiles(tmp_path / "faults")
    server = FaultFile(files.path(KEY))
    assert server.current() == NO_FAULT

    files.write(KEY, Fault(errorRate=0.3))
    assert server.current() == Fault(errorRate=0.3)

    files.write(KEY, NO_FAULT)
    assert server.current() == NO_FAULT
    assert list((tmp_path / "faults").iterdir()) == []
