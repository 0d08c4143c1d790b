"""Task tokens of Step Functions."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError

# The task has ended, by its time limit or by an answer before this one.
_OVER = frozenset({"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"})


class StepFunctionsTokens:
    """A TaskTokens. `client` is boto3's for `stepfunctions`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def complete(self, token: str) -> None:
        try:
            self._client.send_task_success(taskToken=token, output="{}")
        except ClientError as refused:
            if refused.response["Error"]["Code"] not in _OVER:
                raise UnavailableError("Step Functions did not take the answer") from refused
        except BotoCoreError as failed:
            raise UnavailableError("Step Functions did not answer") from failed
