"""The fleet: which incarnations live, what they offer and hold. A fold over heartbeats on a lease clock.

The lease clock counts seconds in which the reader's own heartbeats came back through the log; it stands still
while the reader or the broker is silent, so that nobody is declared dead for somebody else's silence.
"""

from dataclasses import dataclass, field, replace

from elexirion.events.identifiers import worker_of
from elexirion.events.worker import LaneOffer, WorkerHeartbeat, WorkerLeft

REPLACED_SHARE = 0.2
"""What of the lease an incarnation may be silent while another one of the same worker is heard."""


@dataclass(frozen=True, slots=True)
class Member:
    """One incarnation. `heard_at` is on the lease clock; `fresh`: a heartbeat came since the reader started.

    `succeeded_at` is when another incarnation of the worker was heard last, since this one was.
    """

    worker_id: str
    incarnation: str
    heard_at: float
    number: int = 0
    lanes: dict[str, LaneOffer] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    draining: bool = False
    fresh: bool = False
    left: bool = False
    succeeded_at: float | None = None

    def replaced(self, lease_s: float) -> bool:
        """Whether its worker was started anew: one process after another, never two at once."""
        return self.succeeded_at is not None and self.succeeded_at - self.heard_at > lease_s * REPLACED_SHARE

    def partitions(self, lane: str) -> tuple[int, ...]:
        """Partitions of `steps.<lane>` it reads now."""
        offer = self.lanes.get(lane)
        return offer.partitions if offer else ()

    def slots(self, lane: str) -> int:
        """Executions of the lane it takes at once."""
        offer = self.lanes.get(lane)
        return offer.slots if offer else 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """All incarnations the `workers` topic told of, by incarnation; `clock` is the lease clock in seconds."""

    members: dict[str, Member] = field(default_factory=dict)
    clock: float = 0.0

    def live(self, incarnation: str, lease_s: float) -> bool:
        """Whether work may be given to it."""
        member = self.members.get(incarnation)
        return bool(member and member.fresh and not self.silent(incarnation, lease_s))

    def silent(self, incarnation: str, lease_s: float) -> bool:
        """Whether its lease has run out, it was replaced, or it said that it left."""
        member = self.members.get(incarnation)
        return member is not None and (
            member.left or member.replaced(lease_s) or self.clock - member.heard_at > lease_s
        )

    def reads(self, lane: str, lease_s: float) -> bool:
        """Whether any live incarnation reads the lane."""
        return any(each.partitions(lane) and self.live(key, lease_s) for key, each in self.members.items())


def heartbeat(fleet: Fleet, data: WorkerHeartbeat, *, old: bool = False) -> Fleet:
    """Take a heartbeat in. Older numbers are ignored; `old` ones, from before the start, are no sign of life."""
    known = fleet.members.get(data.incarnation)
    if known and data.number <= known.number:
        return fleet
    member = Member(
        worker_id=data.worker_id,
        incarnation=data.incarnation,
        heard_at=fleet.clock,
        number=data.number,
        lanes={offer.lane: offer for offer in data.lanes},
        held=frozenset(data.held),
        draining=data.draining,
        fresh=not old,
        left=bool(known and known.left),
    )
    members = dict(fleet.members) if old else _succeeded(fleet, data)
    members[data.incarnation] = member
    return replace(fleet, members=members)


def _succeeded(fleet: Fleet, data: WorkerHeartbeat) -> dict[str, Member]:
    return {
        key: replace(member, succeeded_at=fleet.clock) if member.worker_id == data.worker_id else member
        for key, member in fleet.members.items()
    }


def shares_its_worker(fleet: Fleet, data: WorkerHeartbeat) -> bool:
    """Whether the heartbeat is of a process that has a twin: another one beat under its worker id in between."""
    known = fleet.members.get(data.incarnation)
    return known is not None and known.fresh and known.succeeded_at is not None


def left(fleet: Fleet, data: WorkerLeft) -> Fleet:
    """Take a farewell in."""
    known = fleet.members.get(data.incarnation) or Member(data.worker_id, data.incarnation, fleet.clock)
    return replace(fleet, members={**fleet.members, data.incarnation: replace(known, left=True)})


def declined(fleet: Fleet, incarnation: str) -> Fleet:
    """It does not take what it was given: until its next heartbeat it gets nothing more."""
    known = fleet.members.get(incarnation)
    if known is None:
        return fleet
    return replace(fleet, members={**fleet.members, incarnation: replace(known, draining=True)})


def expect(fleet: Fleet, incarnation: str) -> Fleet:
    """An open execution names this incarnation: it gets a full lease from now on, heard of or not."""
    if incarnation in fleet.members:
        return fleet
    member = Member(worker_of(incarnation), incarnation, heard_at=fleet.clock)
    return replace(fleet, members={**fleet.members, incarnation: member})


def advance(fleet: Fleet, elapsed_s: float, gap_s: float) -> Fleet:
    """An own heartbeat came back `elapsed_s` after the one before; after a gap everyone gets a full lease."""
    if elapsed_s <= gap_s:
        return replace(fleet, clock=fleet.clock + elapsed_s)
    members = {key: replace(member, heard_at=fleet.clock) for key, member in fleet.members.items()}
    return replace(fleet, members=members)


def forget(fleet: Fleet, needed: frozenset[str], older_than_s: float) -> Fleet:
    """Drop incarnations that are long silent and that no open execution names."""
    members = {
        key: member
        for key, member in fleet.members.items()
        if key in needed or fleet.clock - member.heard_at <= older_than_s
    }
    return fleet if len(members) == len(fleet.members) else replace(fleet, members=members)
