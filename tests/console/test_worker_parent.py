"""The parent of a worker: it starts a dead worker again, passes signals on, and gives up with a clear message."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from elexirion.console import worker_parent
from elexirion.console.worker_parent import WorkerParent, delay_s

PATIENT = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
with open(sys.argv[1], "a") as lives:
    lives.write("life\\n")
while True:
    time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_parent, "FIRST_DELAY_S", 0.01)


def ending(tmp_path: Path, code: int) -> tuple[list[str], Path]:
    lives = tmp_path / "lives"
    script = f"import sys; open({str(lives)!r}, 'a').write('life\\n'); sys.exit({code})"
    return [sys.executable, "-c", script], lives


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # another process sets no event
            await asyncio.sleep(0.02)


def workers(lives: Path) -> list[psutil.Process]:
    """Children of this process that write there; it may have others of other tests."""
    living = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    return [child for child in living if str(lives) in child.cmdline()]


def count(lives: Path) -> int:
    return len(lives.read_text().splitlines()) if lives.exists() else 0


@pytest.mark.parametrize("given", [None, "w7"])
async def test_each_worker_has_the_same_id_so_that_the_next_replaces_the_one_before(
    tmp_path: Path, given: str | None
) -> None:
    lives = tmp_path / "lives"
    script = f"import os; open({str(lives)!r}, 'a').write(os.environ['ELEXIRION_WORKER_ID'] + '\\n'); os.abort()"
    await WorkerParent([sys.executable, "-c", script], given).run()
    ids = lives.read_text().split()
    assert len(ids) == worker_parent.MOST_CRASHES + 1
    [one] = set(ids)
    assert one == given if given else one.startswith(f"{socket.gethostname()}-{os.getpid()}-")


def test_two_parents_never_give_the_same_id() -> None:
    made = {WorkerParent(["true"])._worker_id for _ in range(3)}
    assert len(made) == 3, "as in two containers with one host name, where each is process 1"


def test_the_delay_doubles_up_to_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_parent, "FIRST_DELAY_S", 0.5)
    assert [delay_s(ends) for ends in (0, 1, 2, 3, 7, 8, 10_000)] == [0.5, 0.5, 1, 2, 30, 30, 30]


async def test_a_killed_worker_is_started_again_and_a_signal_ends_both(tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    parent = asyncio.create_task(WorkerParent([sys.executable, "-c", PATIENT, str(lives)]).run())
    await until(lambda: count(lives) == 1)
    [worker] = workers(lives)
    worker.kill()
    await until(lambda: count(lives) == 2)

    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await parent == 7, "the worker's own exit code, after it was told"
    assert not workers(lives)


async def test_it_gives_up_after_too_many_crashes_and_keeps_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, lives = ending(tmp_path, 70)
    async with asyncio.timeout(30):
        assert await WorkerParent(command).run() == 70
    assert count(lives) == worker_parent.MOST_CRASHES + 1
    assert "crashed 6 times within 60 s; it is not started again" in capsys.readouterr().out


@pytest.mark.parametrize("code", [0, 2])
async def test_a_worker_that_ended_well_or_has_wrong_settings_is_not_started_again(tmp_path: Path, code: int) -> None:
    command, lives = ending(tmp_path, code)
    async with asyncio.timeout(20):
        assert await WorkerParent(command).run() == code
    assert count(lives) == 1


async def test_a_broker_that_is_away_is_waited_for_as_long_as_it_takes(tmp_path: Path) -> None:
    command, lives = ending(tmp_path, 3)
    parent = asyncio.create_task(WorkerParent(command).run())
    await until(lambda: count(lives) > worker_parent.MOST_CRASHES + 1)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(20):
        await parent
