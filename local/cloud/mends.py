"""Corrections to MiniStack where Headrace's functions would notice that it is not AWS.

Each replaces an exact piece of MiniStack's source as it is loaded (`local.cloud.replacements` lists
them with their reasons), so a MiniStack that reads differently is refused at the start instead of
misbehaving later.
"""

import importlib
import inspect
import textwrap
from collections import defaultdict
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from local.cloud.layers import LayerCache
from local.cloud.replacements import REPLACEMENTS, Replacement
from local.cloud.streams import StreamDelivery
from local.cloud.task_limits import TimeLimits, await_answer
from local.cloud.workers import read_log, worker_command

MINISTACK_VERSION = "1.5.33"


class MiniStackMismatchError(Exception):
    """The installed MiniStack is not the one that these corrections were written for."""


def apply(layers: LayerCache, sdk: Path, endpoint: str) -> None:
    """Import MiniStack and correct it in place, before its first Lambda worker starts.

    `sdk` is a folder of this process's own: the AWS SDK is linked into it. `endpoint` is this
    MiniStack's own URL. Raises MiniStackMismatchError when the version or a replaced text differs.
    """
    installed = version("ministack")
    if installed != MINISTACK_VERSION:
        raise MiniStackMismatchError(
            f"MiniStack {installed} is installed, but local/cloud/replacements.py fits "
            f"{MINISTACK_VERSION}: check each correction against the new source, then change both "
            "the pin in local/requirements.txt and MINISTACK_VERSION"
        )
    by_place: dict[str, list[Replacement]] = defaultdict(list)
    for replacement in REPLACEMENTS:
        by_place[replacement.where].append(replacement)
    for where, replacements in by_place.items():
        _replace(where, replacements)
    _provide_hooks(layers, sdk, endpoint)


def _provide_hooks(layers: LayerCache, sdk: Path, endpoint: str) -> None:
    runtime = vars(importlib.import_module("ministack.core.lambda_runtime"))
    runtime["headrace_layer_folder"] = lambda content: str(layers.folder(content))
    runtime["headrace_log"] = read_log
    runtime["headrace_worker_command"] = worker_command(sdk)
    functions = vars(importlib.import_module("ministack.services.lambda_svc"))
    functions["headrace_deliver"] = StreamDelivery(
        execute=functions["_execute_function"],
        notify=functions["_send_ddb_stream_failure_record"],
        endpoint=endpoint,
    )
    workflow = vars(importlib.import_module("ministack.services.stepfunctions"))
    workflow["headrace_time_limits"] = TimeLimits(
        evaluate=workflow["_jsonata_state_field"], fail=workflow["_ExecutionError"]
    )
    workflow["headrace_await_answer"] = await_answer


def _replace(where: str, replacements: list[Replacement]) -> None:
    module_name, _, path = where.partition(":")
    module = importlib.import_module(module_name)
    *owners, name = path.split(".")
    owner: Any = reduce(getattr, owners, module)
    original = getattr(owner, name)
    source = original if isinstance(original, str) else inspect.getsource(original)
    for replacement in replacements:
        found = replacement.found_in(source)
        if found is None:
            raise MiniStackMismatchError(
                f"{path} of MiniStack {MINISTACK_VERSION} does not hold once what is replaced so "
                f"that {replacement.why}. Install the environment .venvs/cloud anew (make clean, "
                "make up), or adapt local/cloud/replacements.py"
            )
        source = source.replace(found, replacement.new)
    setattr(owner, name, source if isinstance(original, str) else _compiled(module, source, name))


def _compiled(module: ModuleType, source: str, name: str) -> Any:
    """The function of that source, seeing its own module's names as before."""
    local: dict[str, Any] = {}
    filename = f"<{module.__name__}.{name} as corrected by {__name__}>"
    code = compile(textwrap.dedent(source), filename, "exec")
    exec(code, vars(module), local)  # noqa: S102 - MiniStack's own text, checked above
    return local[name]
