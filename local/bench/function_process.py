"""One API function in a process of its own, as in Lambda: only its own folder and layers are on the path.

    python -I -S function_process.py FOLDER:FOLDER:… MODULE

Reads a line of JSON, a list of events, calls the handler with each, and answers with a line: the last
answer, the CPU and the time that the calls took, and what the process has used and loaded so far. Before the first
line it answers once for the import. Knows the standard library alone, since nothing else is on the path.
"""

import gc
import importlib
import json
import os
import resource
import sys
import time
from types import SimpleNamespace
from typing import Any

CONTEXT = SimpleNamespace(
    function_name="headrace-bench",
    function_version="$LATEST",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:headrace-bench",
    aws_request_id="0f0e0d0c-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
)


def cpu_ms() -> float:
    """User plus system time of this process, all threads, since it began."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1000


def main() -> None:
    spoken = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # The function logs to standard output, which is for CloudWatch and not for us.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(**report: Any) -> None:
        report |= {"cpu_total": cpu_ms(), "modules": sorted(sys.modules)}
        spoken.write(json.dumps(report) + "\n")
        spoken.flush()

    sys.path[:0] = sys.argv[1].split(":")
    handler = importlib.import_module(sys.argv[2]).lambda_handler
    say(answer=None, cpu=0.0, seconds=0.0)
    for line in sys.stdin:
        events = json.loads(line)
        gc.collect()
        started, before = time.perf_counter(), cpu_ms()
        answers = [handler(event, CONTEXT) for event in events]
        spent, seconds = cpu_ms() - before, time.perf_counter() - started
        refused = [answer for answer in answers if answer["statusCode"] >= 400]
        say(answer=(refused or answers)[-1], cpu=spent, seconds=seconds)


if __name__ == "__main__":
    main()
