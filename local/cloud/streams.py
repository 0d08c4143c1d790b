"""What becomes of table stream records whose function fails: retries, halving, a destination.

MiniStack repeats a failing batch for ever and heeds neither MaximumRetryAttempts nor
BisectBatchOnFunctionError, batchItemFailures or an S3 destination of an event source mapping. Here
they are, as https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html and
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html describe them. Retries follow each other
at once: a shard is one thread here, and waiting would hold up every other mapping.
"""

import json
import logging
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

Mapping = dict[str, Any]
Record = dict[str, Any]
Result = dict[str, Any]

logger = logging.getLogger("headrace.streams")


class StreamDelivery:
    """Delivers batches of stream records to functions in MiniStack's own poller thread."""

    def __init__(
        self,
        execute: Callable[[Any, Any], Result],
        notify: Callable[[Mapping, Any, list[Record], str, Result, str], None],
        endpoint: str,
    ) -> None:
        """`execute` invokes a function, `notify` sends the record for queues and topics."""
        self._execute = execute
        self._notify = notify
        self._endpoint = endpoint

    def __call__(self, mapping: Mapping, function: Any, batch: list[Record], arn: str) -> Result:
        """Invoke the function; the result holds `error` only if the batch is to be repeated."""
        result = self._execute(function, {"Records": batch})
        remaining = _unprocessed(mapping, batch, result)
        if not remaining:
            return result
        if _retries(mapping) < 0:  # the default: until the records expire
            return {**result, "error": True}
        self._settle(mapping, function, remaining, arn, result)
        return {"log": result.get("log", "")}

    def _settle(
        self, mapping: Mapping, function: Any, batch: list[Record], arn: str, result: Result
    ) -> None:
        if mapping.get("BisectBatchOnFunctionError") and len(batch) > 1:
            middle = (len(batch) + 1) // 2
            for half in (batch[:middle], batch[middle:]):
                result = self._execute(function, {"Records": half})
                remaining = _unprocessed(mapping, half, result)
                if remaining:
                    self._settle(mapping, function, remaining, arn, result)
            return
        for _ in range(_retries(mapping)):
            result = self._execute(function, {"Records": batch})
            batch = _unprocessed(mapping, batch, result)
            if not batch:
                return
        error = (result.get("body") or {}).get("errorType", "batchItemFailures")
        logger.warning("records of %s failed for good: %s", arn, error)
        self._discard(mapping, function, batch, arn, result)

    def _discard(
        self, mapping: Mapping, function: Any, batch: list[Record], arn: str, result: Result
    ) -> None:
        target = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get(
            "Destination", ""
        )
        if target.startswith("arn:aws:s3:::"):
            self._store(mapping, function, batch, arn, target.removeprefix("arn:aws:s3:::"))
        else:
            self._notify(mapping, function, batch, arn, result, "RetryAttemptsExhausted")

    def _store(
        self, mapping: Mapping, function: Any, batch: list[Record], arn: str, bucket: str
    ) -> None:
        now = datetime.now(UTC)
        shard = "shardId-00000000000000000000-00000000"
        key = (
            f"aws/lambda/{mapping['UUID']}/{shard}/{now:%Y/%m/%d}/"
            f"{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        )
        record = _invocation_record(function, batch, arn, shard, now)
        request = urllib.request.Request(  # noqa: S310 - the endpoint is this process's own
            f"{self._endpoint}/{bucket}/{quote(key)}",
            data=json.dumps(record).encode(),
            method="PUT",
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30):
            pass


def _retries(mapping: Mapping) -> int:
    return int(mapping.get("MaximumRetryAttempts", -1))


def _unprocessed(mapping: Mapping, batch: list[Record], result: Result) -> list[Record]:
    """The records from the first failed one on: order within a shard is kept."""
    if result.get("error"):
        return batch
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return []
    answer = result.get("body")
    failures = (answer.get("batchItemFailures") if isinstance(answer, dict) else None) or []
    named = {failure.get("itemIdentifier") for failure in failures}
    for index, record in enumerate(batch):
        if record["dynamodb"]["SequenceNumber"] in named:
            return batch[index:]
    return batch if named else []  # an identifier that names no record fails the whole batch


def _invocation_record(
    function: Any, batch: list[Record], arn: str, shard: str, now: datetime
) -> dict[str, Any]:
    config = function.get("config") or function
    changes = [record["dynamodb"] for record in batch]

    def arrival(change: dict[str, Any]) -> str:
        return datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC).isoformat()

    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": config.get("FunctionArn", ""),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": now.isoformat(),
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": changes[0]["SequenceNumber"],
            "endSequenceNumber": changes[-1]["SequenceNumber"],
            "approximateArrivalOfFirstRecord": arrival(changes[0]),
            "approximateArrivalOfLastRecord": arrival(changes[-1]),
            "batchSize": len(batch),
            "streamArn": arn,
        },
        "payload": json.dumps({"Records": batch}),
    }
