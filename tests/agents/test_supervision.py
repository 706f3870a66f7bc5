"""Rest-for-one: a crash restarts the child and all behind it, at once, until it is too much."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from elexirion.agents.supervision import CrashWindow, RestForOneSupervisor, Supervised
from mode import Service

from tests.agents.working import until

POLL_S = 5.0
"""How often mode looks for crashes by itself."""


class Child(Supervised):
    """Crashes when told to; the diary says who was started and stopped, in order."""

    def __init__(self, name: str, diary: list[str]) -> None:
        super().__init__()
        self.name = name
        self.diary = diary
        self.crash_with: asyncio.Queue[Exception] = asyncio.Queue()
        self.crash_at_starts = 0
        self.lives = 0

    async def on_start(self) -> None:
        self.lives += 1
        self.diary.append(f"start {self.name}")

    async def on_stop(self) -> None:
        self.diary.append(f"stop {self.name}")

    @Service.task
    async def _live(self) -> None:
        if self.crash_at_starts:
            self.crash_at_starts -= 1
            raise ValueError(f"{self.name} at its start")
        raise await self.crash_with.get()


class Tree:
    """Three children, and what their supervisor said."""

    def __init__(self, limit: int = 3) -> None:
        self.diary: list[str] = []
        self.a, self.b, self.c = (Child(name, self.diary) for name in "abc")
        self.reasons: list[BaseException] = []
        self.supervisor = RestForOneSupervisor(self.a, self.b, self.c, window=CrashWindow(limit), gave_up=self._gave_up)

    async def _gave_up(self, reason: BaseException) -> None:
        self.reasons.append(reason)

    async def crash(self, child: Child, reason: str = "boom") -> None:
        lives = child.lives
        child.crash_with.put_nowait(ValueError(reason))
        await until(lambda: child.lives > lives or self.reasons)


@pytest.fixture
async def tree() -> AsyncIterator[Tree]:
    """A started tree."""
    tree = Tree()
    await tree.supervisor.start()
    yield tree
    await tree.supervisor.stop()


async def test_a_crash_restarts_the_child_and_those_behind_it_in_order(tree: Tree) -> None:
    tree.diary.clear()
    await tree.crash(tree.b)
    await until(lambda: tree.c.lives == 2)
    assert [entry for entry in tree.diary if entry.startswith("start")] == ["start b", "start c"]
    assert tree.diary.index("stop c") < tree.diary.index("stop b") < tree.diary.index("start b")
    assert tree.a.lives == 1


async def test_a_crash_of_the_first_restarts_all(tree: Tree) -> None:
    await tree.crash(tree.a)
    await until(lambda: [tree.a.lives, tree.b.lives, tree.c.lives] == [2, 2, 2])


async def test_a_crash_of_the_last_restarts_only_it(tree: Tree) -> None:
    await tree.crash(tree.c)
    assert [tree.a.lives, tree.b.lives, tree.c.lives] == [1, 1, 2]


async def test_a_restarted_child_works_and_may_crash_again(tree: Tree) -> None:
    await tree.crash(tree.b)
    await tree.crash(tree.b)
    assert tree.b.lives == 3
    assert not tree.reasons


async def test_a_crash_is_seen_at_once(tree: Tree) -> None:
    began = time.monotonic()
    await tree.crash(tree.a)
    assert time.monotonic() - began < POLL_S / 5


async def test_a_crash_while_others_are_restarted_is_seen_at_once() -> None:
    tree = Tree()
    tree.a.crash_at_starts = 2
    began = time.monotonic()
    await tree.supervisor.start()
    await until(lambda: tree.a.lives == 3, within_s=POLL_S * 3)
    assert time.monotonic() - began < POLL_S / 5
    await tree.supervisor.stop()


async def test_more_crashes_than_the_window_takes_give_up_once(tree: Tree) -> None:
    for n in range(1, 4):
        await tree.crash(tree.b, f"crash {n}")
    assert not tree.reasons
    await tree.crash(tree.b, "crash 4")
    tree.a.crash_with.put_nowait(ValueError("after the end"))
    await until(lambda: tree.a.crashed)
    await asyncio.sleep(0)
    assert [str(reason) for reason in tree.reasons] == ["crash 4"]
    assert (tree.a.lives, tree.b.lives) == (1, 4)


async def test_a_stopped_supervisor_restarts_nothing() -> None:
    tree = Tree()
    await tree.supervisor.start()
    await tree.supervisor.stop()
    assert [tree.a.lives, tree.b.lives, tree.c.lives] == [1, 1, 1]
    assert all(child.should_stop for child in (tree.a, tree.b, tree.c))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("at", "full"),
    [
        ([0, 1, 2], False), ([0, 1, 2, 3], True), ([0, 20, 40, 60], True), ([0, 20, 40, 60.5], False),
        ([0, 100, 200, 300, 400], False),
    ],
)  # fmt: skip
def test_crashes_count_for_a_minute(at: list[float], full: Any) -> None:
    clock = Clock()
    window = CrashWindow(clock=clock)
    for moment in at:
        clock.now = moment
        window.crashed()
    assert window.full is full


def test_a_full_window_empties_with_time() -> None:
    clock = Clock()
    window = CrashWindow(limit=0, over_s=1.0, clock=clock)
    window.crashed()
    assert window.full
    clock.now = 1.1
    assert not window.full
    assert window.count == 0
