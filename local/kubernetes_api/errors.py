"""Refusals as Kubernetes words them: a ``Status`` object with code, reason, message and details."""

from typing import Any

Json = dict[str, Any]


class StatusError(Exception):
    """A request that is refused; the server answers `code` with the Status of `body`."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def body(self) -> Json:
        """The ``Status`` object, as every Kubernetes client knows it."""
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = self.details
        return status


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(message: str) -> StatusError:
    return StatusError(403, "Forbidden", message)


def refused(qualified: str, name: str, why: str) -> StatusError:
    """403 for one object that admission does not let in."""
    plural, _, group = qualified.partition(".")
    details = {"name": name, "kind": plural, **({"group": group} if group else {})}
    return StatusError(403, "Forbidden", f'{qualified} "{name}" is forbidden: {why}', details)


def page_not_found() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def not_found(qualified: str, name: str) -> StatusError:
    """`qualified` is the plural with its group, as in ``deployments.apps``."""
    plural, _, group = qualified.partition(".")
    details = {"name": name, "kind": plural, **({"group": group} if group else {})}
    return StatusError(404, "NotFound", f'{qualified} "{name}" not found', details)


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message)


def already_exists(qualified: str, name: str) -> StatusError:
    plural, _, group = qualified.partition(".")
    details = {"name": name, "kind": plural, **({"group": group} if group else {})}
    return StatusError(409, "AlreadyExists", f'{qualified} "{name}" already exists', details)


def conflict(qualified: str, name: str, why: str) -> StatusError:
    plural, _, group = qualified.partition(".")
    details = {"name": name, "kind": plural, **({"group": group} if group else {})}
    message = f'Operation cannot be fulfilled on {qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, details)


def stale(qualified: str, name: str) -> StatusError:
    """The write names a resourceVersion that is no longer the object's."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(qualified, name, why)


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def unsupported_media_type(message: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message)


def invalid(kind: str, group: str, name: str, causes: list[tuple[str, str]]) -> StatusError:
    """`causes` are pairs of field path and what is wrong with it."""
    qualified = f"{kind}.{group}" if group else kind
    texts = [f"{field}: {message}" for field, message in causes]
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = {
        "name": name,
        "kind": kind,
        **({"group": group} if group else {}),
        "causes": [
            {"reason": "FieldValueInvalid", "message": message, "field": field}
            for field, message in causes
        ],
    }
    return StatusError(422, "Invalid", f'{qualified} "{name}" is invalid: {listed}', details)
