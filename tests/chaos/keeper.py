"""Whoever starts dead processes again, as systemd or compose would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.e2e.cluster import Cluster, WorkerProcess

LOOK_EVERY_S = 0.1


class Keeper:
    """While its block runs, each of `starts` that is found dead is started again under its name.

    `ends` counts the exit codes of those that died (negative: the number of the signal).
    """

    def __init__(self, cluster: Cluster, starts: dict[str, Callable[[], WorkerProcess]]) -> None:
        self.ends: Counter[int] = Counter()
        self._cluster = cluster
        self._starts = starts
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch(), name="keeper")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._watching is not None
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            for name, start in self._starts.items():
                code = self._cluster.workers[name].process.poll()
                if code is not None:
                    self.ends[code] += 1
                    start()
            await asyncio.sleep(LOOK_EVERY_S)
