"""What Headrace's functions rely on in the embedded Lambda, where MiniStack had to be corrected."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.cloud.deployed import Account

REJECTING = """
import os

class UploadRejectedError(Exception):
    pass

def handle(event, context):
    if event.get("reject"):
        raise UploadRejectedError("the manifest lies")
    if event.get("die"):
        os._exit(3)
    return {"pid": os.getpid()}
"""

IMPORTING = """
import importlib

def handle(event, context):
    try:
        return importlib.import_module(event["module"]).__name__
    except ImportError:
        return None
"""


def test_an_error_is_reported_under_its_own_class_name(account: Account) -> None:
    kind, answer = account.invoke(account.function(REJECTING), {"reject": True})

    assert kind == "Unhandled"
    assert answer["errorType"] == "UploadRejectedError"
    assert answer["errorMessage"] == "the manifest lies"


def test_a_raised_error_leaves_the_worker_warm(account: Account) -> None:
    function = account.function(REJECTING)
    _, before = account.invoke(function, {})
    account.invoke(function, {"reject": True})
    _, after = account.invoke(function, {})

    assert after["pid"] == before["pid"]


def test_a_worker_that_died_is_replaced(account: Account) -> None:
    function = account.function(REJECTING)
    _, before = account.invoke(function, {})
    kind, _ = account.invoke(function, {"die": True})
    _, after = account.invoke(function, {})

    assert kind == "Unhandled"
    assert after["pid"] != before["pid"]


def test_a_module_that_cannot_be_imported_is_named(account: Account) -> None:
    kind, answer = account.invoke(account.function("import nowhere_to_be_found"), {})

    assert kind == "Unhandled"
    assert "Runtime.ImportModuleError" in answer["errorMessage"]
    assert "nowhere_to_be_found" in answer["errorMessage"]


@pytest.mark.parametrize("module", ["ministack", "aiohttp", "kubernetes", "boto3", "yaml", "pip"])
def test_a_function_with_layers_sees_nothing_of_the_clouds_own_packages(
    account: Account, module: str
) -> None:
    layer = account.layer({"python/greeting.py": ""})
    function = account.function(IMPORTING, [layer])

    assert account.invoke(function, {"module": module}) == (None, None)
    assert account.invoke(function, {"module": "greeting"}) == (None, "greeting")


def test_a_function_without_layers_sees_the_sdk_and_nothing_more(account: Account) -> None:
    function = account.function(IMPORTING)

    assert account.invoke(function, {"module": "boto3"}) == (None, "boto3")
    assert account.invoke(function, {"module": "ministack"}) == (None, None)


def test_a_layer_is_unpacked_once_for_all_workers_with_its_bytecode(
    account: Account, layer_cache: Callable[[], list[Path]]
) -> None:
    layer = account.layer({"python/shared_once.py": "import os\nFILE = __file__"})
    code = "import shared_once\ndef handle(event, context):\n    return shared_once.FILE"
    _, first = account.invoke(account.function(code, [layer]), {})
    _, second = account.invoke(account.function(code, [layer]), {})

    assert first == second
    folder = Path(first).parent.parent
    assert folder in layer_cache()
    assert list(folder.glob("python/__pycache__/shared_once.*.pyc"))


def test_a_calls_log_holds_its_own_lines_and_nothing_else(account: Account) -> None:
    function = account.function("def handle(event, context):\n    print(event)")
    logs = [account.log(function, {"call": number}) for number in (1, 2)]

    assert ["'call': 1" in logs[0], "'call': 2" in logs[0]] == [True, False]
    assert ["'call': 1" in logs[1], "'call': 2" in logs[1]] == [False, True]
    assert "end of log" not in logs[0] + logs[1]
