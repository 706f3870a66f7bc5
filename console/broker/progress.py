"""What a start tells about itself while it goes on, for a person who waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should read, now and afterwards."""

    text: str


@dataclass(frozen=True, slots=True)
class Doing:
    """What is being done at the moment; the next one replaces it."""

    text: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """One more jar has come in; `done` of `total` are here."""

    done: int
    total: int
    bytes: int


Progress = Note | Doing | Fetched
OnProgress = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Tell nobody."""
