"""Checks of the process and its machine: memory, tasks, disk, event loop."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from elexirion.agents.health.report import Check, Finding, judged

CGROUP = Path("/sys/fs/cgroup")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Values from which on something is degraded, and unhealthy."""

    degraded: float
    unhealthy: float


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes in use and bytes there are: of the container where it has a limit, of the machine otherwise."""

    used: int
    there: int


def memory_use(cgroup: Path = CGROUP) -> MemoryUse:
    """Read now. Cache of files that can be given back at once is not counted as used."""
    machine = psutil.virtual_memory()
    try:
        limit = int((cgroup / "memory.max").read_text("ascii"))
        used = int((cgroup / "memory.current").read_text("ascii")) - _reclaimable(cgroup)
    except (OSError, ValueError):  # no cgroup v2 here, or no limit ("max")
        return MemoryUse(machine.total - machine.available, machine.total)
    return MemoryUse(max(0, used), min(limit, machine.total))


def _reclaimable(cgroup: Path) -> int:
    lines = (cgroup / "memory.stat").read_text("ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)


def memory(limits: Limits, read: Callable[[], MemoryUse] = memory_use) -> Check:
    """How much memory is used, in percent."""

    async def check() -> Finding:
        use, own = read(), psutil.Process().memory_info().rss
        percent = 100 * use.used / use.there
        detail = f"{percent:.0f} % of {use.there / MIB:.0f} MiB in use, {own / MIB:.0f} MiB by this process"
        return Finding(judged(percent, limits.degraded, limits.unhealthy), detail)

    return check


def process_count(limits: Limits) -> Check:
    """How many light processes there are: asyncio tasks, which are to this program what processes are to Erlang."""

    async def check() -> Finding:
        tasks, threads = len(asyncio.all_tasks()), threading.active_count()
        children = len(psutil.Process().children())
        detail = f"{tasks} tasks, {threads} threads, {children} child processes"
        return Finding(judged(tasks, limits.degraded, limits.unhealthy), detail)

    return check


def disk(folder: Path, limits: Limits) -> Check:
    """How much is free where the data lies; the limits are MiB below which it is too little."""

    async def check() -> Finding:
        free_mb = psutil.disk_usage(_nearest(folder)).free / MIB
        status = judged(-free_mb, -limits.degraded, -limits.unhealthy)
        return Finding(status, f"{free_mb:.0f} MiB free")

    return check


def _nearest(folder: Path) -> str:
    """The folder, or what exists above it: it may not have been made yet."""
    return str(next(path for path in (folder, *folder.absolute().parents) if path.exists()))


def event_loop(worst_s: Callable[[], float], limits: Limits) -> Check:
    """How late the loop was in the last minute, in seconds."""

    async def check() -> Finding:
        late_s = worst_s()
        detail = f"at most {late_s * 1000:.0f} ms late in the last minute"
        return Finding(judged(late_s, limits.degraded, limits.unhealthy), detail)

    return check
