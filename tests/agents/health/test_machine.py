"""Memory, tasks, disk and loop: each is made to fail and to recover."""

import asyncio
from pathlib import Path

import psutil
import pytest
from elexirion.agents.health.machine import (
    Limits,
    MemoryUse,
    disk,
    event_loop,
    memory,
    memory_use,
    process_count,
)
from elexirion.agents.telemetry.loop_watch import WINDOW_S, LoopWatch

MIB = 2**20


async def test_memory_degrades_fails_and_recovers() -> None:
    used = [10]
    check = memory(Limits(85, 95), lambda: MemoryUse(used[0] * MIB, 100 * MIB))
    found = []
    for each in (10, 85, 95, 10):
        used[0] = each
        found.append((await check()).status)
    assert found == ["healthy", "degraded", "unhealthy", "healthy"]


async def test_the_memory_of_this_machine_is_read() -> None:
    finding = await memory(Limits(101, 101))()
    assert finding.status == "healthy"
    assert (await memory(Limits(0, 0))()).status == "unhealthy"


def test_the_limit_of_a_container_counts_and_its_file_cache_does_not(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{100 * MIB}\n")
    (tmp_path / "memory.current").write_text(f"{90 * MIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {50 * MIB}\nactive_file 1\n")
    assert memory_use(tmp_path) == MemoryUse(40 * MIB, 100 * MIB)


@pytest.mark.parametrize("limit", ["max", None])
def test_without_a_limit_the_machine_counts(tmp_path: Path, limit: str | None) -> None:
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    assert memory_use(tmp_path).there == psutil.virtual_memory().total


async def test_tasks_are_too_many_until_they_end() -> None:
    check = process_count(Limits(50, 10_000))
    assert (await check()).status == "healthy"
    waiting = [asyncio.create_task(asyncio.Event().wait()) for _ in range(60)]
    assert (await check()).status == "degraded"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (await check()).status == "healthy"


async def test_disk_is_judged_by_what_is_free(tmp_path: Path) -> None:
    free_mb = psutil.disk_usage(str(tmp_path)).free / MIB
    folder = tmp_path / "not" / "there" / "yet"
    assert (await disk(folder, Limits(free_mb / 2, free_mb / 4))()).status == "healthy"
    assert (await disk(folder, Limits(free_mb * 2, free_mb / 2))()).status == "degraded"
    assert (await disk(folder, Limits(free_mb * 4, free_mb * 2))()).status == "unhealthy"


async def test_a_late_loop_is_degraded_for_a_minute() -> None:
    now = [0.0]
    watch = LoopWatch(lambda: now[0])
    check = event_loop(watch.worst_s, Limits(1, 10))
    watch.tick(0.01)
    assert (await check()).status == "healthy"
    watch.tick(2)
    assert (await check()).status == "degraded"
    watch.tick(11)
    assert (await check()).status == "unhealthy"
    now[0] += WINDOW_S + 1
    assert (await check()).status == "healthy"
