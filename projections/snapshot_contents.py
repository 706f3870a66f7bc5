"""What a snapshot of a partition is made of: documents with names of their own, none of which is ever changed.

A name says what stands in the document, down to the version of a run, and the same log gives the same documents to
whoever folds it. So an orchestrator that does not know yet that it lost the partition can spoil nothing: what it writes
is right, if old, and what it removes nobody needs who is further in the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from elexirion.projections.run_state import RunState

PAGE = 500
"""Remembered commands, and ended runs, in one document: a full one is written once."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Entries numbered in the order in which they came: `first` is the oldest that is kept, `end` the next to come."""

    first: int
    end: int

    def pages(self) -> list[tuple[int, int]]:
        """Index of each page, and the number after its last entry."""
        if self.first == self.end:
            return []
        return [(at // PAGE, min(at + PAGE, self.end)) for at in range(self.first - self.first % PAGE, self.end, PAGE)]


@dataclass(frozen=True, slots=True)
class Contents:
    """The documents of the snapshot that ends before `offset`; `runs` are the open ones with their versions."""

    offset: int
    runs: dict[str, str]
    commands: Remembered
    ended: Remembered

    def names(self) -> list[str]:
        """All documents but the one that lists them."""
        return [
            *(run_name(run_id, version) for run_id, version in self.runs.items()),
            *(page_name("commands", *page) for page in self.commands.pages()),
            *(page_name("ended", *page) for page in self.ended.pages()),
        ]

    def outdated(self, known: Iterable[str], gone: frozenset[str]) -> list[str]:
        """Those of the known documents that no snapshot from this one on needs; `gone` are runs no longer open."""
        needed = {*self.names(), partition_name(self.offset)}
        return [name for name in known if name not in needed and self._passed(name, gone)]

    def _passed(self, name: str, gone: frozenset[str]) -> bool:
        kind, _, rest = name.partition("/")
        match kind:
            case "run":
                run_id, _, version = rest.rpartition("/")
                now = self.runs.get(run_id)
                return position_of(version) <= position_of(now) if now else run_id in gone
            case "commands" | "ended":
                remembered = self.commands if kind == "commands" else self.ended
                return int(rest.partition("/")[2]) <= remembered.end
            case "partition":
                return int(rest) < self.offset
            case _:
                return False


def version_of(state: RunState) -> str:
    """The version of a run: how many records of it counted, and a digest of what they said."""
    return f"{state.position}-{state.digest[:12]}"


def position_of(version: str) -> int:
    """How many records counted."""
    return int(version.partition("-")[0])


def run_name(run_id: str, version: str) -> str:
    """The document of an open run."""
    return f"run/{run_id}/{version}"


def page_name(kind: str, index: int, end: int) -> str:
    """The document of some remembered entries."""
    return f"{kind}/{index}/{end}"


def partition_name(offset: int) -> str:
    """The document that makes a snapshot of the others; it is written last."""
    return f"partition/{offset:020d}"


def snapshots_in(names: Iterable[str]) -> list[str]:
    """The snapshots among documents, the newest first."""
    return sorted((name for name in names if name.startswith("partition/")), reverse=True)
