"""test_echo: gives back its value; can stream it, wait and fail on demand."""

import asyncio
from typing import Any

import orjson
from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.events.failure import Failure


def runner(settings: Settings) -> StepRunner:
    """The runner of `test_echo` steps; it needs no setting."""
    return run


async def run(work: Work, io: StepIO) -> Outcome:
    """Echo `value`; `chunks` says into how many pieces its text is streamed, or gives the pieces.

    Without `streaming` they come in one piece.
    """
    config = work.config
    pieces = pieces_of(config.get("value"), config.get("chunks"))
    if config.get("streaming") is False:
        pieces = ["".join(pieces)] if pieces else []
    pause_s = float(config.get("delay_ms") or 0) / 1000 / max(1, len(pieces))
    for piece in pieces or [""]:
        if pause_s:
            await asyncio.sleep(pause_s)
        if piece:
            await io.chunk(piece)
    if config.get("fail"):
        message = str(config.get("error_message") or "test_echo was told to fail")
        raise StepError(Failure(kind="step_error", message=message))
    return Outcome(result=config.get("value"))


def pieces_of(value: Any, chunks: Any) -> list[str]:
    """The texts to stream: given ones, the value's text cut into `chunks` pieces, or none."""
    if isinstance(chunks, list):
        return [str(chunk) for chunk in chunks]
    count = int(chunks or 0)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if count <= 0 or not text:
        return []
    size = -(-len(text) // count)
    return [text[start : start + size] for start in range(0, len(text), size)]
