"""The provider calls of one execution, one after another, and what they cost together."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from elexirion.agents.providers.models import resolve_model
from elexirion.agents.providers.port import ProviderCall, ProviderResult, Turn
from elexirion.agents.steps.port import StepError, StepIO, Work
from elexirion.events.failure import Failure
from elexirion.events.usage import NO_USAGE
from elexirion.projections.step_state import add_cost

CALL_OPTIONS = ("max_tokens", "temperature", "top_p", "top_k")
DEFAULT_TIMEOUT_S = 300.0
# What is left of a step's time when later calls are given up, so that the report still counts the earlier ones.
_REPORT_S = 0.2
_REPORT_SHARE = 0.02
_NOT_FOUND = 404


class Asking:
    """Asks the lane's model; `usage` and `cost_usd` (None where a price is unknown) add up over all answers.

    `fallback` says which model answers in place of the step's own, once one does.
    """

    def __init__(self, aliases: Mapping[str, str], work: Work, io: StepIO) -> None:
        config = work.config
        self.work = work
        self.io = io
        self.usage = NO_USAGE
        self.cost_usd: float | None = 0.0
        self.fallback: str | None = None
        self._options = dict(config.get("options") or {})
        self._model = resolve_model(work.lane, config.get("model"), aliases)
        other = self._options.pop("fallback_model", None)
        self._other = resolve_model(work.lane, str(other), aliases) if other else None
        self._asked = False
        self._call_id = ""
        limit_s = work.timeout_s or DEFAULT_TIMEOUT_S
        self._ends = time.monotonic() + limit_s - min(_REPORT_S, limit_s * _REPORT_SHARE)

    async def ask(
        self, prompt: str, turns: tuple[Turn, ...] = (), functions: tuple[dict[str, Any], ...] = ()
    ) -> ProviderResult:
        """Call the model once, with a call id of its own; raises StepError with the usage of this call alone.

        Where the first model cannot take the first call, the `fallback_model` is asked once and answers from then on.
        """
        first, self._asked = not self._asked, True
        try:
            if first:
                return await self._answer(prompt, turns, functions, self.work.timeout_s or DEFAULT_TIMEOUT_S)
            return await self._in_time(prompt, turns, functions)
        except StepError as error:
            if not first or self._other in (None, self._model) or not _unavailable(error.failure):
                raise
            await self._fall_back(error)
            return await self._in_time(prompt, turns, functions)

    def tool_call_id(self, number: int) -> str:
        """The id of the number-th tool, counted from 1, that the last answer asked for."""
        return f"{self._call_id}/{number}"

    def counted(self, error: StepError) -> StepError:
        """The failure with what all calls before it used."""
        return StepError(error.failure, self.usage + error.usage, add_cost(self.cost_usd, error.cost_usd))

    @asynccontextmanager
    async def before_the_end(self) -> AsyncIterator[None]:
        """Give up just before the step's own time limit, which knows nothing of what was spent. Raises StepError."""
        limit = asyncio.timeout(max(0.0, self._ends - time.monotonic()))
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            said = f"no result within {self.work.timeout_s or DEFAULT_TIMEOUT_S:g} s"
            raise StepError(Failure(kind="timeout_total", message=said)) from error

    async def _in_time(
        self, prompt: str, turns: tuple[Turn, ...], functions: tuple[dict[str, Any], ...]
    ) -> ProviderResult:
        async with self.before_the_end():
            return await self._answer(prompt, turns, functions, max(0.001, self._ends - time.monotonic()))

    async def _answer(
        self, prompt: str, turns: tuple[Turn, ...], functions: tuple[dict[str, Any], ...], timeout_s: float
    ) -> ProviderResult:
        result = await self.io.call(self._call(prompt, turns, functions, timeout_s))
        self.usage += result.usage
        self.cost_usd = add_cost(self.cost_usd, result.cost_usd)
        return result

    async def _fall_back(self, error: StepError) -> None:
        self.usage += error.usage
        self.cost_usd = add_cost(self.cost_usd, error.cost_usd)
        assert self._other is not None
        self._model = self.fallback = self._other
        await self.io.fell_back(error.failure.kind, self._other)

    def _call(
        self, prompt: str, turns: tuple[Turn, ...], functions: tuple[dict[str, Any], ...], timeout_s: float
    ) -> ProviderCall:
        config, options = self.work.config, dict(self._options)
        if "max_output_tokens" in options:
            options["max_tokens"] = options.pop("max_output_tokens")
        self._call_id = self.io.next_call_id()
        known = {key: options.pop(key) for key in CALL_OPTIONS if options.get(key) is not None}
        return ProviderCall(
            call_id=self._call_id, model=self._model, prompt=prompt, turns=turns, system=config.get("system"),
            schema=config.get("output_schema"), functions=functions, stream=config.get("streaming") is not False,
            timeout_s=timeout_s, options=options, **known,
        )  # fmt: skip


def _unavailable(failure: Failure) -> bool:
    """Whether another model may answer where this one did not."""
    return failure.kind in ("overloaded", "rate_limited", "circuit_open") or failure.status == _NOT_FOUND
