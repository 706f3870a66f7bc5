"""claude_robust: a claude step that has something to give where no further attempt follows.

The repetitions are the engine's. What stands in for an answer is an event and a mark on the result.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from elexirion.agents.resilience.backoff import RetryRule, worth_another
from elexirion.agents.resilience.fallback import helped_by_another
from elexirion.agents.settings import Settings
from elexirion.agents.steps import claude
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.agents.steps.spent import Spent
from elexirion.events.canonical import content_hash
from elexirion.events.failure import Failure
from elexirion.pipelines.json_text import text_of

REMEMBERED = 256
"""Answers that a worker process remembers; the oldest goes first."""
LONGEST_REMEMBERED = 100_000
"""Characters of the longest answer that is remembered."""
LONGEST_SIMPLIFIED = 2_000
"""Characters of a shortened prompt."""

# Failures of the run or of this program rather than of the model: nothing may stand in for them.
_NOT_COVERED = frozenset({"cancelled", "budget", "poison", "evaluation", "internal", "not_recorded"})
# How much of its time a step may ask for, so that some is left for what stands in.
_ASKING, _ASKING_TWICE, _GRACE = 0.9, 0.5, 0.05


def runner(settings: Settings) -> StepRunner:
    """The runner of `claude_robust` steps."""
    return RobustStep(claude.runner(settings))


class Answers:
    """The last answer to each request, for as long as this process lives."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._by_request: OrderedDict[str, Outcome] = OrderedDict()

    def remember(self, request: str, outcome: Outcome) -> None:
        """Keep a model's own answer, unless it is very long."""
        if outcome.fallback is None and len(text_of(outcome.result)) <= LONGEST_REMEMBERED:
            self._by_request[request] = outcome
            self._by_request.move_to_end(request)
            while len(self._by_request) > self._most:
                self._by_request.popitem(last=False)

    def of(self, request: str) -> Outcome | None:
        """The answer to that request, if there is one."""
        return self._by_request.get(request)


@dataclass(frozen=True, slots=True)
class RobustStep:
    """Runs the config of a claude step with `{fallback_action, retry: {max_attempts, retry_on}}`; `ask` runs that."""

    ask: StepRunner
    answers: Answers = field(default_factory=Answers)

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """The answer, or what stands in for it; raises StepError where another attempt follows, or nothing may."""
        action = work.config.get("fallback_action")
        if action is None:
            return await self.ask(work, io)
        try:
            outcome = await self._in_time(work, io, _ASKING_TWICE if action == "simplified_prompt" else _ASKING)
        except StepError as error:
            if _another_follows(work, error.failure) or error.failure.kind in _NOT_COVERED:
                raise
            return await self._instead(action, work, io, error)
        self.answers.remember(_request(work), outcome)
        return outcome

    async def _in_time(self, work: Work, io: StepIO, share: float) -> Outcome:
        if work.timeout_s is None:
            return await self.ask(work, io)
        limit = asyncio.timeout(work.timeout_s * (share + _GRACE))
        try:
            async with limit:
                return await self.ask(replace(work, timeout_s=work.timeout_s * share), io)
        except TimeoutError as error:
            if not limit.expired():  # the step's own
                raise
            message = f"no answer within {work.timeout_s * share:g} s, which leaves time for a fallback"
            raise StepError(Failure(kind="timeout_total", message=message)) from error

    async def _instead(self, action: str, work: Work, io: StepIO, error: StepError) -> Outcome:
        remembered = self.answers.of(_request(work)) if action == "cached_response" else None
        if remembered is not None:
            return await _given(action, remembered, io, error)
        if action == "simplified_prompt":
            return await self._simplified(work, io, error)
        if work.config.get("output_schema"):
            raise error  # a prepared text is not the data that later steps rely on
        prepared = "emergency_response" if action == "emergency_response" else "graceful_degradation"
        return await _given(prepared, Outcome(_prepared(prepared, error.failure)), io, error)

    async def _simplified(self, work: Work, io: StepIO, error: StepError) -> Outcome:
        await io.fell_back(_reason(error), "simplified_prompt")
        left = None if work.timeout_s is None else work.timeout_s * (1 - _ASKING_TWICE - 2 * _GRACE)
        try:
            outcome = await self.ask(replace(work, config=simplified(work.config), timeout_s=left), io)
        except StepError as again:
            raise Spent().plus(error).plus(again).on_error(again) from again
        return replace(Spent().plus(error).plus(outcome).on_outcome(outcome), fallback="simplified_prompt")


def simplified(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same question for less: its beginning and end, in one turn, without tools."""
    text = str(config["prompt"])
    if len(text) > LONGEST_SIMPLIFIED:
        half = LONGEST_SIMPLIFIED // 2
        text = f"{text[:half].rstrip()}\n[…]\n{text[-half:].lstrip()}"
    options = {**(config.get("options") or {}), "allowed_tools": [], "max_turns": 1}
    return {**config, "prompt": f"Answer as briefly and simply as you can.\n\n{text}", "options": options}


def _another_follows(work: Work, failure: Failure) -> bool:
    """Whether the step is tried again, or another model of its `fallback` list is asked."""
    retry = work.config["retry"]
    rule = RetryRule(max_attempts=retry["max_attempts"], retry_on=tuple(retry["retry_on"]))
    return worth_another(rule, failure, work.attempt) or _another_model_follows(work, failure)


def _another_model_follows(work: Work, failure: Failure) -> bool:
    candidates: list[str] = work.config.get("fallback") or []
    asked = candidates.index(work.fallback) + 1 if work.fallback in candidates else 0
    return helped_by_another(failure) and asked < len(candidates)


async def _given(used: str, outcome: Outcome, io: StepIO, error: StepError) -> Outcome:
    """What was ready already, streamed like an answer; only the failed call was paid for."""
    await io.fell_back(_reason(error), used)
    # What the failed call had streamed ends in the middle of a line.
    await io.chunk(f"\n{text_of(outcome.result)}")
    return replace(outcome, usage=error.usage, cost_usd=error.cost_usd, fallback=used)


def _prepared(action: str, failure: Failure) -> str:
    if action == "emergency_response":
        return (
            f"Emergency response: the model gave no answer ({failure.kind}). This text was written beforehand and "
            "answers nothing; please ask again later."
        )
    return (
        f"The model gave no answer ({failure.kind}). This text stands in for it, so that the pipeline can go on "
        "without the answer."
    )


def _reason(error: StepError) -> str:
    return f"{error.failure.kind}: {error.failure.message}"


def _request(work: Work) -> str:
    """What an answer depends on; made-up offline answers never stand in for real ones."""
    asked = {key: value for key, value in work.config.items() if key not in ("retry", "fallback_action", "streaming")}
    return content_hash([asked, work.offline])
