"""The contract of a step type: what it gets, what it may do while it runs, what it gives back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from elexirion.agents.providers.port import ProviderCall, ProviderResult
from elexirion.events.failure import Failure
from elexirion.events.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Work:
    """One execution as a step type sees it: `config` is the step with all templates rendered."""

    run_id: str
    execution_id: str
    step: str
    step_type: str
    lane: str
    attempt: int
    config: dict[str, Any]
    timeout_s: float | None
    offline: bool
    fallback: str | None = None
    """Who is asked in place of the step's own model, as `provider/model`; `config` names that model already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A successful end. `result` is any JSON; the streamed text is known already."""

    result: Any
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0
    model: str | None = None
    stop_reason: str | None = None
    turns: tuple[dict[str, str], ...] = ()
    """What the step adds to its session's history: `{"user": text, "assistant": text}` each."""
    fallback: str | None = None
    """What stood in for the step's own answer, where something did: the result is marked with it."""


@dataclass(eq=False)
class StepError(Exception):  # an error by name already
    """A step's typed failure; `usage` was spent all the same."""

    failure: Failure
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0

    def __str__(self) -> str:
        return f"{self.failure.kind}: {self.failure.message}"


class StepIO(Protocol):
    """What a running step may do to the world; each is an event or a chunk in the log."""

    async def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        ...

    async def call(self, call: ProviderCall) -> ProviderResult:
        """Call the lane's provider once, streaming its text; raises StepError with what it failed of."""
        ...

    def next_call_id(self) -> str:
        """The id of the next provider call."""
        ...

    async def tool_called(self, call_id: str, tool: str, arguments: dict[str, Any]) -> None:
        """Record that the model asked for a tool, before it runs."""
        ...

    async def tool_returned(self, call_id: str, tool: str, result: Any, *, is_error: bool = False) -> None:
        """Record what a tool gave back."""
        ...

    async def tool_answer(self, call_id: str) -> tuple[Any, bool] | None:
        """What the tool gave back when the run was recorded that answers here, and whether that was an error.

        None where no recording answers: the tool is to run.
        """
        ...

    async def fell_back(self, reason: str, used: str) -> None:
        """Record that another model, or a prepared answer, stands in for the step's own."""
        ...


StepRunner: TypeAlias = Callable[[Work, StepIO], Awaitable[Outcome]]
