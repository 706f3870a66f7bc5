"""A tally as JSON and back: counts by a label or several stand as pairs, since JSON has no such keys."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from elexirion.projections.tally import Durations, Tally


def tally_to_json(tally: Tally) -> dict[str, Any]:
    """All counts, field by field."""
    return {one.name: _out(getattr(tally, one.name)) for one in fields(tally)}


def tally_from_json(document: Mapping[str, Any]) -> Tally:
    """The tally; raises KeyError, TypeError or ValueError for anything else."""
    tally = Tally()
    for one in fields(tally):
        setattr(tally, one.name, _filled(getattr(tally, one.name), document[one.name]))
    return tally


def _out(counted: Any) -> Any:
    match counted:
        case set():
            return sorted(counted)
        case Mapping():
            return [[key, _out(value)] for key, value in counted.items()]
        case Durations():
            return [counted.buckets, counted.total_s]
        case _:
            return counted


def _filled(empty: Any, read: Any) -> Any:
    """What was read, in the kind of container that the field of a new tally has."""
    match empty:
        case set():
            return {_key(key) for key in read}
        case Mapping():
            filled: Any = empty
            for key, value in read:
                filled[_key(key)] = Durations(value[0], value[1]) if isinstance(value, list) else value
            return filled
        case _:
            return read


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
