"""claude_session: says one thing after another, each with the conversation so far; the result is the last answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from elexirion.agents.settings import Settings
from elexirion.agents.steps import claude
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.agents.steps.spent import Spent
from elexirion.pipelines.json_text import text_of
from elexirion.pipelines.sessions import last_turns


def runner(settings: Settings) -> StepRunner:
    """The runner of `claude_session` steps."""
    return SessionStep(claude.runner(settings))


@dataclass(frozen=True, slots=True)
class SessionStep:
    """Runs the config of a claude step with `{turns, most_turns, prompts}` in place of `prompt`.

    `prompts` are `{"user": text, "assistant": text or None}`: what has an answer already is not asked. `say` runs
    one of them as a claude step with `turns`.
    """

    say: StepRunner

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """Every prompt in turn; an answer without text leaves no turn behind, since providers refuse to be told it."""
        added: list[dict[str, str]] = []
        spent, last, asked = Spent(), Outcome(result=""), 0
        fallback: str | None = None
        for prompt in work.config["prompts"]:
            answer = prompt["assistant"]
            if answer is None:
                last = await self._asked(_turn_of(work, prompt, added), io, spent, first=asked == 0)
                spent, asked = spent.plus(last), asked + 1
                answer, fallback = text_of(last.result), fallback or last.fallback
            if answer.strip():
                added.append({"user": prompt["user"], "assistant": answer})
        return replace(spent.on_outcome(last), turns=tuple(added), fallback=fallback)

    async def _asked(self, work: Work, io: StepIO, spent: Spent, *, first: bool) -> Outcome:
        if not first:
            await io.chunk("\n\n")
        try:
            return await self.say(work, io)
        except StepError as error:
            raise spent.plus(error).on_error(error) from error


def _turn_of(work: Work, prompt: Mapping[str, str], added: list[dict[str, str]]) -> Work:
    """The work of saying one prompt; only the last answer is the result, and so has to satisfy a schema."""
    config: dict[str, Any] = dict(work.config)
    most, prompts = config.pop("most_turns", None), config.pop("prompts")
    turns = last_turns([*config.get("turns", ()), *added], most)
    schema = config.get("output_schema") if prompt is prompts[-1] else None
    return replace(work, config={**config, "turns": turns, "prompt": prompt["user"], "output_schema": schema})
