"""The disk under the home: whether it has room, and what the system's refusals mean."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elexirion.console.broker.errors import BrokerError, DiskFullError, HomeUnusableError
from elexirion.console.broker.home import Home

_MIB = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


def require_room(home: Home, min_free_mb: int) -> None:
    """Refuse a start that would soon die: Kafka ends its process when a write fails."""
    free = shutil.disk_usage(home.root).free // _MIB
    if free < min_free_mb:
        raise DiskFullError(
            f"The disk under {home.root} has {free} MiB free; the broker needs at least {min_free_mb} MiB.",
            "Free some space, set ELEXIRION_HOME to a folder on another disk, or lower ELEXIRION_BROKER_MIN_FREE_MB.",
        )


def disk_full(place: Path) -> DiskFullError:
    """The error for a write that failed for want of room."""
    return DiskFullError(
        f"The disk under {place} is full: the broker could not write.",
        "Free some space (`elexirion broker wipe` removes the broker's records) or set ELEXIRION_HOME to a "
        "folder on another disk, and start again.",
    )


@contextmanager
def explained(home: Home) -> Iterator[None]:
    """Turn the system's refusals to write beneath `home` into errors that say what to do."""
    try:
        yield
    except OSError as refusal:
        raise _explanation(home, refusal) from refusal


def _explanation(home: Home, refusal: OSError) -> BrokerError:
    if refusal.errno in _FULL:
        return disk_full(Path(refusal.filename or home.root))
    return HomeUnusableError(
        f"The broker's files ({home.root}, cache {home.cache}) cannot be used: {refusal}",
        "Check who owns that place, or set ELEXIRION_HOME (data) and ELEXIRION_CACHE (what can be fetched again) "
        "to folders that you can write.",
    )
