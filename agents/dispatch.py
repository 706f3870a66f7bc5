"""Least-loaded dispatch: which incarnation runs an execution. Pure."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from elexirion.projections.fleet import Fleet, Member


@dataclass(frozen=True, slots=True)
class Placement:
    """What is known when executions are placed.

    `taken` counts, by (incarnation, lane), the open executions this orchestrator knows of. `fallback` names the
    orchestrator's own incarnation for lanes that had no live worker for too long.
    """

    fleet: Fleet
    lease_s: float
    taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    fallback: Mapping[str, str] = field(default_factory=dict)
    fallback_slots: int = 1


def has_worker(placement: Placement, lane: str) -> bool:
    """Whether any live incarnation reads the lane."""
    return any(_serves(placement, member, lane) for member in placement.fleet.members.values())


def choose(placement: Placement, lane: str, placed: Mapping[tuple[str, str], int]) -> str | None:
    """The least-loaded live incarnation with a free slot, or None. `placed`: placed in this very decision."""
    best: tuple[int, str] | None = None
    for member in placement.fleet.members.values():
        if not _serves(placement, member, lane):
            continue
        load = load_of(placement, member, lane, placed)
        if load < member.slots(lane) and (best is None or (load, member.incarnation) < best):
            best = (load, member.incarnation)
    return best[1] if best else _fallback(placement, lane, placed)


def free_slots(placement: Placement, lane: str) -> int:
    """How many executions the lane takes now: as often as `choose` would find somebody."""
    members = [member for member in placement.fleet.members.values() if _serves(placement, member, lane)]
    if members:
        return sum(max(0, member.slots(lane) - load_of(placement, member, lane, {})) for member in members)
    own = placement.fallback.get(lane)
    return max(0, placement.fallback_slots - placement.taken.get((own, lane), 0)) if own else 0


def load_of(placement: Placement, member: Member, lane: str, placed: Mapping[tuple[str, str], int]) -> int:
    """Executions an incarnation has on the lane: as it says, or as we know, whichever is more."""
    key = (member.incarnation, lane)
    offer = member.lanes.get(lane)
    return max(placement.taken.get(key, 0), offer.held if offer else 0) + placed.get(key, 0)


def partition_for(member: Member, lane: str, execution_id: str, again: int = 0) -> int | None:
    """One of the partitions the incarnation reads, spread by execution; None where it reads none."""
    partitions = member.partitions(lane)
    if not partitions:
        return None
    return partitions[(zlib.crc32(execution_id.encode()) + again) % len(partitions)]


def _serves(placement: Placement, member: Member, lane: str) -> bool:
    alive = placement.fleet.live(member.incarnation, placement.lease_s)
    return alive and not member.draining and bool(member.partitions(lane))


def _fallback(placement: Placement, lane: str, placed: Mapping[tuple[str, str], int]) -> str | None:
    own = placement.fallback.get(lane)
    if own is None or has_worker(placement, lane):
        return None
    busy = placement.taken.get((own, lane), 0) + placed.get((own, lane), 0)
    return own if busy < placement.fallback_slots else None
