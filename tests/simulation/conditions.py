"""How the in-memory log behaves: what becomes of each append, and when readers hear of it."""

from typing import NamedTuple, Protocol


class Landing(NamedTuple):
    """What becomes of an append, in seconds from now; `again_s`: it lands a second time so long after the first.

    `answered` says whether the writer is told; else it gets an error, though the record may stand in the log.
    """

    after_s: float = 0.0005
    acknowledged_after_s: float = 0.0005
    written: bool = True
    answered: bool = True
    again_s: float | None = None


class Conditions(Protocol):
    """The weather over the log."""

    def landing(self, topic: str) -> Landing:
        """What becomes of the next append."""
        ...

    def heard_after_s(self, topic: str) -> float:
        """How long a reader that waits takes to hear of a record that landed."""
        ...

    def told_after_s(self, *, gained: bool) -> float:
        """How long a member of a group takes to learn its new assignment; `gained`: it loses nothing by it."""
        ...

    def silent_for_s(self) -> float:
        """For how long the broker says nothing, from now on; 0 where it answers."""
        ...


class Calm:
    """Nothing goes wrong."""

    def landing(self, topic: str) -> Landing:
        """At once."""
        return Landing()

    def heard_after_s(self, topic: str) -> float:
        """At once."""
        return 0.0

    def told_after_s(self, *, gained: bool) -> float:
        """At once."""
        return 0.001

    def silent_for_s(self) -> float:
        """It answers."""
        return 0.0
