"""A call as the stub understood it, whatever the wire format."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

ProviderName: TypeAlias = Literal["claude", "gemini", "openai"]


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, and how the caller authenticated (never the key itself).

    `messages` is the conversation as it stands on the wire, `prompt` all of its text. `answered` says that there
    are results of functions in it. `options` shape the answer, under the names of the wire format.
    """

    provider: ProviderName
    model: str
    prompt: str
    system: str
    stream: bool
    auth: str
    call_id: str | None
    version: str
    schema: dict[str, Any] | None = None
    functions: tuple[dict[str, Any], ...] = field(default=())
    messages: tuple[dict[str, Any], ...] = ()
    answered: bool = False
    counts_usage: bool = True
    options: dict[str, Any] = field(default_factory=dict)


class InvalidCallError(Exception):
    """A request that the real API would refuse, with the status and error name it would use."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
