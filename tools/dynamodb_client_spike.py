"""Measures what a DynamoDB call costs a Python function, client by client.

Run it again whenever a client is upgraded; ADR 0005 rests on these figures:

    python -m tools.dynamodb_client_spike                              # against moto's HTTP server
    python -m tools.dynamodb_client_spike --endpoint-url http://host:port  # against another one

Every figure comes from a fresh process of its own that talks HTTP to a server in another process,
so neither imports nor the server's work are counted. CPU is user plus system time of that process,
all threads: the Rust client works outside the interpreter's own thread.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import logging
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "spike",
    "AWS_SECRET_ACCESS_KEY": "spike",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
WARM_UP = 20
PARTITION = "PROJECT#acme#vision"
PAGE = 50
IMPORT_REPEATS = 9
# What an API function has imported anyway; a client that shares modules with it costs less there.
RESOLVER = (
    "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver;"
    "APIGatewayHttpResolver(enable_validation=True)"
)
# Statements that end with a client ready to be called, run by a bare interpreter.
CREATION = {
    "pydynox": "from pydynox import DynamoDBClient; DynamoDBClient()",
    "botocore tuned": "from botocore.session import Session; Session().create_client('dynamodb')",
    "boto3 stock": "import boto3; boto3.client('dynamodb')",
}

Operation = Callable[[], object]
Operations = dict[str, Operation]


def key(index: int) -> dict[str, str]:
    return {"pk": PARTITION, "sk": f"MODEL#digits#VERSION#{index:06d}"}


def item(index: int) -> dict[str, Any]:
    """One registry-like item of about 600 bytes, whole numbers only."""
    return {
        **key(index),
        "type": "ModelVersion",
        "version": index,
        "revision": 1,
        "framework": {"name": "sklearn", "version": "1.9.0"},
        "size": 12_345_678_901_234_567_890,
        "files": [
            {"path": f"model/{part}.joblib", "sha256": "0" * 64, "size": 1024 * part}
            for part in range(3)
        ],
        "labels": {"owner": "vision", "stage": "candidate"},
        "deleted": False,
        "reason": None,
    }


def wire(value: Any) -> dict[str, Any]:
    """A plain value as DynamoDB's JSON, which botocore wants and pydynox makes by itself."""
    if isinstance(value, list):
        return {"L": [wire(part) for part in value]}
    if isinstance(value, dict):
        return {"M": wire_map(value)}
    if value is None:
        return {"NULL": True}
    kind = {bool: "BOOL", int: "N", str: "S"}[type(value)]
    return {kind: str(value) if kind == "N" else value}


def wire_map(values: dict[str, Any]) -> dict[str, Any]:
    return {name: wire(value) for name, value in values.items()}


def plain(value: dict[str, Any]) -> Any:
    [(kind, content)] = value.items()
    if kind == "L":
        return [plain(part) for part in content]
    if kind == "M":
        return plain_map(content)
    if kind == "NULL":
        return None
    return int(content) if kind == "N" else content


def plain_map(values: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in values.items()}


def pydynox_operations(endpoint_url: str, table: str) -> Operations:
    from pydynox import DynamoDBClient  # noqa: PLC0415 - its import is what is measured

    client = DynamoDBClient(
        endpoint_url=endpoint_url, connect_timeout=1.0, read_timeout=5.0, max_retries=3
    )

    def query() -> list[dict[str, Any]]:
        values = {":pk": PARTITION, ":sk": "MODEL#"}
        condition = "pk = :pk AND begins_with(sk, :sk)"
        return list(
            client.sync_query(
                table, condition, expression_attribute_values=values, limit=PAGE, page_size=PAGE
            )
        )

    return {
        "get": lambda: client.sync_get_item(table, key(1), consistent_read=True),
        "put": lambda: client.sync_put_item(
            table,
            item(1),
            condition_expression="attribute_not_exists(pk) OR revision = :r",
            expression_attribute_values={":r": 1},
            return_values_on_condition_check_failure=True,
        ),
        "update": lambda: client.sync_update_item(
            table,
            key(2),
            update_expression="ADD hits :one SET deleted = :no",
            condition_expression="attribute_exists(pk)",
            expression_attribute_values={":one": 1, ":no": False},
            return_values="ALL_NEW",
        ),
        f"query {PAGE}": query,
    }


def botocore_operations(client: Any, table: str) -> Operations:
    def query() -> list[dict[str, Any]]:
        page = client.query(
            TableName=table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues=wire_map({":pk": PARTITION, ":sk": "MODEL#"}),
            Limit=PAGE,
        )
        return [plain_map(found) for found in page["Items"]]

    return {
        "get": lambda: plain_map(
            client.get_item(TableName=table, Key=wire_map(key(1)), ConsistentRead=True)["Item"]
        ),
        "put": lambda: client.put_item(
            TableName=table,
            Item=wire_map(item(1)),
            ConditionExpression="attribute_not_exists(pk) OR revision = :r",
            ExpressionAttributeValues=wire_map({":r": 1}),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ),
        "update": lambda: plain_map(
            client.update_item(
                TableName=table,
                Key=wire_map(key(2)),
                UpdateExpression="ADD hits :one SET deleted = :no",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=wire_map({":one": 1, ":no": False}),
                ReturnValues="ALL_NEW",
            )["Attributes"]
        ),
        f"query {PAGE}": query,
    }


def tuned_operations(endpoint_url: str, table: str) -> Operations:
    # Everything that botocore lets one switch off, and a client that never made boto3's session.
    from botocore.config import Config  # noqa: PLC0415 - its import is what is measured
    from botocore.session import Session  # noqa: PLC0415 - its import is what is measured

    config = Config(
        parameter_validation=False,
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=1,
        read_timeout=5,
        tcp_keepalive=True,
    )
    client = Session().create_client("dynamodb", endpoint_url=endpoint_url, config=config)
    return botocore_operations(client, table)


def boto3_operations(endpoint_url: str, table: str) -> Operations:
    import boto3  # noqa: PLC0415 - its import is what is measured

    return botocore_operations(boto3.client("dynamodb", endpoint_url=endpoint_url), table)


CLIENTS: dict[str, Callable[[str, str], Operations]] = {
    "pydynox": pydynox_operations,
    "botocore tuned": tuned_operations,
    "boto3 stock": boto3_operations,
}


def cpu_ms() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1000


def memory_mb() -> float:
    """Memory resident now. The peak that getrusage knows is inherited from the parent on Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(name: str, endpoint_url: str, table: str, calls: int) -> dict[str, Any]:
    """Figures of one client in this process: milliseconds a call, MB resident."""
    before = memory_mb()
    operations = CLIENTS[name](endpoint_url, table)
    report: dict[str, Any] = {}
    for label, operation in operations.items():
        for _ in range(WARM_UP):
            operation()
        gc.collect()
        cpu, wall = cpu_ms(), time.perf_counter()
        for _ in range(calls):
            operation()
        spent, passed = cpu_ms() - cpu, (time.perf_counter() - wall) * 1000
        report[label] = {"cpu": spent / calls, "wall": passed / calls}
    return {"calls": report, "memory": memory_mb() - before}


def in_fresh_process(arguments: list[str]) -> Any:
    """The JSON that a new interpreter prints. Bytecode is kept, as a deployed function has it."""
    environment = {**os.environ, **ENVIRONMENT}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(  # noqa: S603 - this interpreter, with statements of this module
        [sys.executable, *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def creation_cost(*statements: str) -> float:
    """Median CPU-ms of a new interpreter that runs the statements, bytecode already written."""
    usage = "from resource import *; u = getrusage(RUSAGE_SELF); print((u[0] + u[1]) * 1000)"
    code = "\n".join([*statements, usage])
    runs = [float(in_fresh_process(["-c", code])) for _ in range(IMPORT_REPEATS + 1)]
    return statistics.median(runs[1:])


@contextmanager
def moto_server() -> Iterator[str]:
    command = [sys.executable, "-m", "tools.dynamodb_client_spike", "--serve"]
    with subprocess.Popen(  # noqa: S603 - runs this very module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        if server.stdout is None or server.stdin is None:
            raise RuntimeError("the moto server has no pipes to its parent")
        yield server.stdout.readline().strip()
        server.stdin.close()


def serve_moto() -> None:
    """Serves until standard input closes, so that no server outlives its parent."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - the measured processes lack it

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


@contextmanager
def filled_table(endpoint_url: str) -> Iterator[str]:
    import boto3  # noqa: PLC0415 - the measured processes must not pay for it

    access, secret, region, _ = ENVIRONMENT.values()
    client = boto3.Session(access, secret, region_name=region).client(
        "dynamodb", endpoint_url=endpoint_url
    )
    table = f"spike-{uuid.uuid4().hex[:8]}"
    client.create_table(
        TableName=table,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table)
    for index in range(PAGE + 10):
        client.put_item(TableName=table, Item=wire_map(item(index)))
    try:
        yield table
    finally:
        client.delete_table(TableName=table)


def print_figures(endpoint_url: str, calls: int) -> None:
    say = sys.stdout.write
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in ("pydynox", "botocore", "boto3", "aws-lambda-powertools")
    )
    say(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores; ")
    say(f"{versions}; {calls} calls each after {WARM_UP}\n\n")
    say("| client | creation, CPU ms | beside a resolver | + MB | operation | CPU ms | wall ms |\n")
    say("| --- | ---: | ---: | ---: | --- | ---: | ---: |\n")
    bare, resolver = creation_cost(), creation_cost(RESOLVER)
    say(f"| (nothing) | {bare:.0f} | {resolver:.0f} | | | | |\n")
    with filled_table(endpoint_url) as table:
        for name, statement in CREATION.items():
            alone = creation_cost(statement) - bare
            beside = creation_cost(RESOLVER, statement) - resolver
            command = ["-m", "tools.dynamodb_client_spike", "--measure", name, "--table", table]
            command += ["--endpoint-url", endpoint_url, "--calls", str(calls)]
            report = in_fresh_process(command)
            head = f"| {name} | +{alone:.0f} | +{beside:.0f} | {report['memory']:.0f} |"
            for label, figure in report["calls"].items():
                say(f"{head} {label} | {figure['cpu']:.2f} | {figure['wall']:.2f} |\n")
                head = "| | | | |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Cost of DynamoDB clients, measured.")
    parser.add_argument("--endpoint-url", help="measure against this server instead of moto's")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--table", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve_moto()
    elif options.measure:
        report = measure(options.measure, options.endpoint_url, options.table, options.calls)
        sys.stdout.write(json.dumps(report))
    elif options.endpoint_url:
        print_figures(options.endpoint_url, options.calls)
    else:
        with moto_server() as endpoint_url:
            print_figures(endpoint_url, options.calls)


if __name__ == "__main__":
    main()
