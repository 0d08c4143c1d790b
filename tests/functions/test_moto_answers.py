"""What tests rely on in moto's answers, where they are not moto's own: values of every type, as they were put."""

from tests.functions.cloud import Cloud

KEY = {"pk": {"S": "TENANT#acme"}, "sk": {"S": "ONE"}}
EVERY_TYPE = {
    "text": {"S": 'ä "quoted" text'},
    "empty": {"S": ""},
    "number": {"N": "12345678901234567890"},
    "nothing": {"NULL": True},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "bytes": {"B": b"\x00\xff"},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2"]},
    "all_bytes": {"BS": [b"\x01", b"\x02"]},
    "list": {"L": [{"S": "a"}, {"L": []}, {"M": {"S": {"N": "1"}}}]},
    "map": {"M": {"S": {"S": "named as a type"}, "M": {"M": {}}}},
}


def test_values_of_every_type_come_back_as_they_were_put(cloud: Cloud) -> None:
    client = cloud.clients.dynamodb
    client.put_item(TableName=cloud.table, Item=KEY | EVERY_TYPE)

    got = client.get_item(TableName=cloud.table, Key=KEY)["Item"]
    [asked] = client.query(
        TableName=cloud.table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": KEY["pk"], ":sk": {"S": "ON"}},
    )["Items"]

    assert got == KEY | EVERY_TYPE
    assert asked == got
