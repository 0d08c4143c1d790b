"""Answers that the gateway gives by itself."""

from aiohttp import web


class RequestRefusedError(RuntimeError):
    """No backend answers: a status, a reason for machines and a message for people."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    def response(self) -> web.Response:
        """Return the answer; `error` is where clients of the inference protocols look."""
        body = {"error": str(self), "reason": self.reason, "status": self.status}
        return web.json_response(body, status=self.status)


def no_endpoint(backend: str) -> RequestRefusedError:
    """Return the refusal of a request whose backend has no ready endpoint."""
    return RequestRefusedError(
        503, "NoReadyEndpoint", f"Backend {backend} has no ready endpoint; try again later."
    )


def connection_failed(backend: str) -> RequestRefusedError:
    """Return the refusal of a request whose endpoint took no connection or dropped it."""
    return RequestRefusedError(
        503, "ConnectionFailed", f"Backend {backend} refused or dropped the connection."
    )


def bad_answer(backend: str) -> RequestRefusedError:
    """Return the refusal of a request whose endpoint answered something that is no HTTP."""
    return RequestRefusedError(502, "BadAnswer", f"Backend {backend} gave no valid HTTP answer.")


def timed_out(backend: str, seconds: float | None) -> RequestRefusedError:
    """Return the refusal of a request that took longer than its route allows."""
    return RequestRefusedError(
        504, "TimedOut", f"Backend {backend} did not answer within {seconds:g} s."
    )
