"""A late loop is measured, and a stuck one ends its process; a process that was frozen is spared."""

import asyncio
import subprocess
import sys
import textwrap
import threading
import time

from elexirion.agents.telemetry.loop_watch import STUCK, WINDOW_S, LoopWatch, Watchdog

from tests.agents.working import until


class Clock:
    """Time as a test sets it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_worst_delay_is_remembered_for_a_minute() -> None:
    clock = Clock()
    watch = LoopWatch(clock)
    watch.tick(3.0)
    clock.now += WINDOW_S
    watch.tick(0.5)
    assert watch.worst_s() == 3.0
    clock.now += 1
    assert watch.worst_s() == 0.5


async def test_a_blocked_loop_is_late() -> None:
    watch = LoopWatch()
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    time.sleep(0.4)  # noqa: ASYNC251  # this is what is measured
    await until(lambda: watch.ticks)
    task.cancel()
    assert watch.worst_s() >= 0.1


def test_a_stuck_loop_is_ended_and_a_ticking_one_is_not() -> None:
    watch, ended = LoopWatch(), threading.Event()
    watchdog = Watchdog(watch, 0.2, lambda stuck_s: ended.set())
    watchdog.start()
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        watch.tick(0.0)
        assert not ended.wait(0.01)
    assert ended.wait(5), "it stopped ticking"


def test_a_process_whose_loop_is_stuck_ends_with_a_message_and_an_error() -> None:
    code = """
        import asyncio, time
        from elexirion.agents.telemetry.loop_watch import LoopWatch, Watchdog

        async def main():
            watch = LoopWatch()
            task = asyncio.create_task(watch.run())
            Watchdog(watch, 0.5).start()
            await asyncio.sleep(0.3)
            time.sleep(60)

        asyncio.run(main())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30)
    assert done.returncode == STUCK
    assert "stuck" in done.stderr
    assert "in main" in done.stderr, "it says where"
