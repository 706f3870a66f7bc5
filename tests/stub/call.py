"""A call as the stub understood it, whatever the wire format."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, and how the caller authenticated (never the key itself)."""

    provider: Literal["claude", "gemini"]
    model: str
    prompt: str
    system: str
    stream: bool
    auth: str
    call_id: str | None
    version: str
    schema: dict[str, Any] | None = None
    functions: tuple[dict[str, Any], ...] = field(default=())


class InvalidCallError(Exception):
    """A request that the real API would refuse, with the status and error name it would use."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
