"""Why something ended as it did."""

from pydantic import BaseModel, ConfigDict


class Reason(BaseModel):
    """A stable code, what was seen, and what a person can do."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    remedy: str | None = None
