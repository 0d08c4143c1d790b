"""What tests rely on in moto, where it is not moto's own: transactions as DynamoDB makes them."""

import pytest

from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud


def put(cloud: Cloud, sk: str, condition: str = "attribute_not_exists(pk)") -> dict[str, object]:
    item = {"pk": {"S": "TENANT#acme"}, "sk": {"S": sk}}
    return {"Put": {"TableName": cloud.table, "Item": item, "ConditionExpression": condition}}


def test_a_repeat_with_the_same_token_is_the_first_one_again(cloud: Cloud) -> None:
    client = cloud.clients.dynamodb
    for _ in range(2):
        client.transact_write_items(TransactItems=[put(cloud, "ONE")], ClientRequestToken="token-1")

    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=[put(cloud, "ONE")], ClientRequestToken="token-2")


def test_a_cancelled_transaction_leaves_items_and_stream_as_they_were(cloud: Cloud) -> None:
    client = cloud.clients.dynamodb
    before = cloud.items(), len(cloud.stream_records()["Records"])

    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(
            TransactItems=[put(cloud, "ONE"), put(cloud, "TWO", "attribute_exists(pk)")]
        )

    assert (cloud.items(), len(cloud.stream_records()["Records"])) == before


def test_the_functions_client_sends_such_a_token(call: Api, wire: Wire) -> None:
    with wire.recording() as made:
        assert call("POST", "/projects", {"name": "vision"}).status == 201

    (written,) = [one for one in made if one.action == "TransactWriteItems"]
    assert isinstance(written, Call)
    assert written.body["ClientRequestToken"]
