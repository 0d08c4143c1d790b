"""The table, and the key that signs the cursors of its lists."""

from functools import cache
from typing import TYPE_CHECKING

from controlplane.runtime.settings import CursorSettings, TableSettings, load
from controlplane.runtime.wiring import aws

if TYPE_CHECKING:
    from controlplane.adapters.dynamodb_table import Table


@cache
def table() -> "Table":
    from pydynox import DynamoDBClient

    from controlplane.adapters.dynamodb_table import Table

    settings = load(TableSettings)
    client = DynamoDBClient(
        region=settings.aws_region,
        endpoint_url=settings.endpoint_url,
        connect_timeout=1.0,
        read_timeout=2.0,
        max_retries=3,
    )
    return Table(client, settings.table_name)


@cache
def cursor_key() -> bytes:
    from controlplane.adapters.secretsmanager_secrets import read_secret

    return read_secret(
        aws.client("secretsmanager"), load(CursorSettings).cursor_secret_arn
    ).encode()
