"""The provider contract: one call is an async stream of text chunks that ends with exactly one outcome."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args

from elexirion.agents.providers.rate_headers import NO_RATE_LIMITS, RateLimits
from elexirion.events.failure import Failure
from elexirion.events.usage import Usage

Feature = Literal["streaming", "tools", "structured_output", "functions", "system_prompt", "usage"]
ALL_FEATURES: frozenset[Feature] = frozenset(get_args(Feature))


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the person, or the pipeline, said earlier in a conversation."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelTurn:
    """What the model answered earlier. `raw` is the answer's content as its wire format wrote it, where known:

    some providers refuse a conversation whose earlier answers (thinking blocks, signatures) come back changed. It
    is marked with that format; every other one says `text` and `function_calls` instead.
    """

    text: str
    function_calls: "tuple[FunctionCall, ...]" = ()
    raw: Any = None


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """What a function gave back: data, never an instruction."""

    call_id: str
    name: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class FunctionTurn:
    """The results of all functions that the turn of the model before it asked for."""

    results: tuple[FunctionResult, ...]


Turn: TypeAlias = UserTurn | ModelTurn | FunctionTurn


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One call to a model.

    `turns` is the conversation so far and `prompt` what is said now ("" where the last turn is a FunctionTurn).

    `call_id` travels as `Idempotency-Key`; `timeout_s` bounds the whole call in seconds. `schema` is a JSON
    Schema for the answer; `functions` are declarations `{name, description, parameters}`. `options` are settings
    of one provider only; each provider's docstring names those it takes and leaves the others. Several take
    `function_use`: `required` demands a call to one of the functions, `expected` hopes for one.
    """

    call_id: str
    model: str
    prompt: str
    turns: tuple[Turn, ...] = ()
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    schema: dict[str, Any] | None = None
    functions: tuple[dict[str, Any], ...] = ()
    stream: bool = True
    timeout_s: float = 300.0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of the answer, in order; joined pieces are the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function the model asks for, with its parsed arguments. `id` names the call; "" where the wire has none."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class ProviderResult:
    """The end of a successful call; `cost_usd` is None where no price is known.

    `stop_reason` is the same word at every provider: `end_turn`, `max_tokens`, `stop_sequence`, `tool_use`; any
    other is the provider's own, in lower case.
    """

    text: str
    model: str
    stop_reason: str
    usage: Usage
    cost_usd: float | None
    function_calls: tuple[FunctionCall, ...] = ()
    raw: Any = None
    """The answer's content as written, for `ModelTurn.raw` when the conversation goes on."""
    rate_limits: RateLimits = NO_RATE_LIMITS
    """What the answer's headers said of the caller's limits; of a failed call see `ProviderFailed.rate_limits`."""


class ProviderFailed(Exception):  # noqa: N818 - what happened, like every event
    """The one exception a provider lets out; every foreign exception is mapped to it at the edge.

    A plain class, since a frozen one cannot pass through `contextlib`, which sets `__traceback__`. `usage` is
    what the provider had counted until then, `rate_limits` what the headers of its answer said, if there was one.
    """

    def __init__(self, failure: Failure, usage: Usage | None = None, rate_limits: RateLimits = NO_RATE_LIMITS) -> None:
        super().__init__(failure, usage, rate_limits)
        self.failure = failure
        self.usage = usage if usage is not None else Usage()
        self.rate_limits = rate_limits

    def __str__(self) -> str:
        return f"{self.failure.kind}: {self.failure.message}"


ProviderOutput: TypeAlias = TextChunk | ProviderResult


class Provider(Protocol):
    """A language model behind a wire format."""

    name: str

    def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        """Yield text chunks, then one ProviderResult as the last item; raise ProviderFailed otherwise.

        Closing it early (`contextlib.aclosing`) aborts the request, and so does cancelling the task. Providers
        never retry on their own.
        """
        ...

    def supports_feature(self, feature: Feature) -> bool:
        """Whether `feature` can be asked for."""
        ...

    def get_capabilities(self) -> frozenset[Feature]:
        """All features that can be asked for."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...
