"""Elexirion for Python programs: start runs, await their results, follow their text, cancel them.

    async with Client("localhost:9092") as client:
        run = await client.start(Path("story.yaml"), inputs={"topic": "rivers"})
        async for chunk in run.chunks():
            print(chunk.text, end="")
        result = await run.result(timeout=60)

Everything is found by run id in the log: another process may await a run that this one started.
"""

from elexirion.client.chunks import Chunk
from elexirion.client.client import Client
from elexirion.client.errors import ClientProblem, CommandRejectedError, UnknownRunError
from elexirion.client.handle import RunHandle
from elexirion.client.results import RunResult, StepResult
from elexirion.client.run_log import Entry, RunLog

__all__ = [
    "Chunk",
    "Client",
    "ClientProblem",
    "CommandRejectedError",
    "Entry",
    "RunHandle",
    "RunLog",
    "RunResult",
    "StepResult",
    "UnknownRunError",
]
