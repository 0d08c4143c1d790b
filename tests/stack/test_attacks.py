"""Every operation of the OpenAPI document, over HTTP, with every kind of token that nobody may come in with."""

from http import HTTPStatus

import pytest

from tests import counts
from tests.functions import examples
from tests.functions.api_calls import Operation, operations
from tests.stack.running import RunningStack
from tests.stack.tokens import Forge, forgeries

CLOSED = [o for o in operations() if not o.is_open]


@pytest.fixture(scope="module")
def forge(stack: RunningStack) -> Forge:
    return Forge.of(stack)


def path_of(operation: Operation) -> str:
    return examples.path_of(operation).removeprefix("/api/v1")


def test_good_token_is_let_in(stack: RunningStack, forge: Forge) -> None:
    """Without this the others would be refused for the wrong reason: what is forged is a token that works."""
    for token in (forge.good, forge.signed()):
        answer = stack.stranger(token).call("GET", "/me")
        assert (answer.status, answer.body["tenant"]["tenant"]) == (HTTPStatus.OK, "acme")


def test_gateway_lets_no_forged_token_near_any_operation(stack: RunningStack, forge: Forge) -> None:
    tokens = forgeries(forge)
    for operation in CLOSED:
        for wrong, token in tokens.items():
            answer = stack.stranger(token).call(
                operation.method,
                path_of(operation),
                examples.body_of(operation),
                {"X-Tenant-Id": "acme"},
            )
            where = (operation.id, wrong, answer)
            assert answer.status == HTTPStatus.UNAUTHORIZED, where
            # The gateway's own words, and not a function's: none was called.
            assert answer.body == {"message": "Unauthorized"}, where
    counts.count("requests with forged tokens, all refused", len(CLOSED) * len(tokens))


def test_id_token_opens_no_operation(stack: RunningStack, forge: Forge) -> None:
    """The gateway takes it, as its audience is the same client: the functions refuse it."""
    for operation in CLOSED:
        answer = stack.stranger(forge.id_token).call(
            operation.method, path_of(operation), examples.body_of(operation)
        )
        assert answer.status == HTTPStatus.UNAUTHORIZED, (operation.id, answer)
    counts.count("requests with ID tokens, all refused", len(CLOSED))


def test_token_in_another_place_is_none(stack: RunningStack, forge: Forge) -> None:
    stranger = stack.stranger()

    for path, headers in (
        (f"/me?access_token={forge.good}", {}),
        (f"/me?Authorization=Bearer%20{forge.good}", {}),
        ("/me", {"X-Amzn-Authorization": f"Bearer {forge.good}"}),
        ("/me", {"Cookie": f"Authorization={forge.good}"}),
    ):
        assert stranger.call("GET", path, headers=headers).status == HTTPStatus.UNAUTHORIZED, path


def test_claims_that_a_caller_sends_itself_count_for_nothing(
    stack: RunningStack, forge: Forge
) -> None:
    forged = {"X-Tenant-Id": "globex", "tenant_id": "globex", "roles": "platform-admin"}

    answer = stack.stranger(forge.good).call("GET", "/me", headers=forged)

    assert answer.body["tenant"]["tenant"] == "acme"
    assert answer.body["roles"] == ["developer"]
