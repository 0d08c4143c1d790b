"""What a recorded call to AWS reaches: keys of the table, keys of the bucket, and whose credentials it bears."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local.bench.wire import Call, Wire
from tests.functions.cloud import TENANT_ROLE_ARN

_PARTITION = re.compile(r"\bpk = (:\w+)")
_PREFIX = re.compile(r"begins_with\(sk, (:\w+)\)")


def keys(made: Call) -> Iterator[tuple[str, str]]:
    """Partition and sort key of everything that a DynamoDB request names, of a query the sort key's prefix.

    AssertionError for a request that names none.
    """
    body = made.body
    match made.action:
        case "GetItem" | "UpdateItem" | "DeleteItem":
            yield _pair(body["Key"])
        case "PutItem":
            yield _pair(body["Item"])
        case "BatchGetItem":
            for table in body["RequestItems"].values():
                yield from map(_pair, table["Keys"])
        case "TransactWriteItems":
            for entry in body["TransactItems"]:
                [part] = entry.values()
                yield _pair(part.get("Key") or part["Item"])
        case "Query":
            condition = _PARTITION.search(body["KeyConditionExpression"])
            assert condition, body["KeyConditionExpression"]
            values = body["ExpressionAttributeValues"]
            prefix = _PREFIX.search(body["KeyConditionExpression"])
            sort_key = str(values[prefix.group(1)]["S"]) if prefix else ""
            yield str(values[condition.group(1)]["S"]), sort_key
            if start := body.get("ExclusiveStartKey"):
                yield _pair(start)
        case other:
            raise AssertionError(f"{other} names no partition")


def _pair(key: dict[str, Any]) -> tuple[str, str]:
    return str(key["pk"]["S"]), str(key["sk"]["S"])


def belongs(pk: str, tenant: str) -> bool:
    own = f"TENANT#{tenant}"
    return pk == own or pk.startswith(f"{own}#")


def sessions(wire: Wire) -> dict[str, str]:
    """The tenant of each access key that STS has given out for the tenants' role."""
    return {
        made.issued: made.body["Tags.member.1.Value"]
        for made in wire.calls
        if made.service == "sts" and made.body.get("RoleArn") == TENANT_ROLE_ARN and made.issued
    }


def signed_objects(answer: Any) -> Iterator[tuple[str, str]]:
    """The key and the access key of every presigned request in an answer's JSON."""
    match answer:
        case {"url": str(url), **rest}:
            yield from _presigned(url)
            yield from signed_objects(list(rest.values()))
        case dict():
            yield from signed_objects(list(answer.values()))
        case list():
            for inner in answer:
                yield from signed_objects(inner)


def _presigned(url: str) -> Iterator[tuple[str, str]]:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "X-Amz-Credential" in query:
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        yield key, query["X-Amz-Credential"][0].partition("/")[0]


def session_policy_resources(made: Call) -> list[str]:
    """What a session policy that was passed to STS allows in the bucket."""
    policy = json.loads(made.body.get("Policy") or '{"Statement": []}')
    listed = [s["Resource"] for s in policy["Statement"] if "s3:" in str(s["Action"])]
    return [str(resource) for resource in listed]
