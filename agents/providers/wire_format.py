"""What tells one provider's API from another: address, headers, body, and how an answer is read."""

from dataclasses import dataclass
from typing import Any, Protocol

from elexirion.agents.providers.port import Feature, FunctionCall, ProviderCall
from elexirion.events.usage import Usage


@dataclass(frozen=True, slots=True)
class Probe:
    """A GET request that tells whether a provider answers and takes the key, and spends no tokens."""

    url: str
    headers: dict[str, str]


class AnswerReader(Protocol):
    """What one answer has said so far. `model` is "" until the provider names it.

    Reading raises RefusalError for an error in the answer, CallError for what is no success, and the errors of
    orjson and pydantic for what cannot be read.
    """

    model: str
    usage: Usage
    text: str
    ended: bool
    """Whether the format's end marker came: what follows it belongs to no answer."""

    def take(self, data: str) -> str:
        """Fold the data of one stream event and return the text it adds."""
        ...

    def take_whole(self, document: Any) -> str:
        """Fold an answer that came in one piece and return its text."""
        ...

    def stop_reason(self) -> str:
        """Why the model stopped, in the words of `port.ProviderResult`; raises CallError if that is no success."""
        ...

    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The functions the model asks for, in order."""
        ...

    def content(self) -> Any:
        """The answer's content as the format wrote it, as plain JSON."""
        ...


class WireFormat(Protocol):
    """One provider's API. A new provider is a class of this form and a line in the registry."""

    name: str
    """The provider's name in events and failures."""
    key: str
    """The API key, which no message may show; "" where none is needed."""
    features: frozenset[Feature]

    def url(self, call: ProviderCall) -> str:
        """The address to which `call` is posted."""
        ...

    def headers(self, call: ProviderCall) -> dict[str, str]:
        """Headers of `call`, with the key and the call id."""
        ...

    def body(self, call: ProviderCall) -> dict[str, Any]:
        """The JSON body of `call`."""
        ...

    def probe(self) -> Probe:
        """A request that lists models, with the key."""
        ...

    def reader(self) -> AnswerReader:
        """A reader for one answer."""
        ...
