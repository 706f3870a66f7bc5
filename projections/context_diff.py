"""What differs between two contexts of a run: which places came, changed and went, with their values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from elexirion.projections.change import changed
from elexirion.projections.context import context_of
from elexirion.projections.run_state import RunState

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs; `before` is None where it was added, `after` where it was removed."""

    kind: Literal["added", "changed", "removed"]
    place: Place
    before: Any = None
    after: Any = None

    @property
    def path(self) -> str:
        """The place as text: `step_results.a.result`, `variables["two words"]`, `inputs.list[0]`."""
        return path_text(self.place)

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        values = {"before": self.before, "after": self.after}
        lacking = {"added": "before", "removed": "after"}.get(self.kind)
        return {"kind": self.kind, "path": self.path} | {k: v for k, v in values.items() if k != lacking}


def path_text(place: Place) -> str:
    """A place in a document as people write it."""
    parts = [f".{part}" if isinstance(part, str) and _PLAIN.fullmatch(part) else _bracketed(part) for part in place]
    return "".join(parts).removeprefix(".")


def _bracketed(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return '["' + part.replace("\\", "\\\\").replace('"', '\\"') + '"]'


def differences(before: Any, after: Any, place: Place = ()) -> Iterator[Difference]:
    """Where two JSON values differ, each place once and as deep as both sides have it; 1, 1.0 and true differ."""
    if before is after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _in_objects(before, after, place)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(before, after, place)
    elif type(before) is not type(after) or before != after:
        yield Difference("changed", place, before, after)


def _in_objects(before: dict[str, Any], after: dict[str, Any], place: Place) -> Iterator[Difference]:
    for key, value in before.items():
        if key in after:
            yield from differences(value, after[key], (*place, key))
        else:
            yield Difference("removed", (*place, key), before=value)
    for key, value in after.items():
        if key not in before:
            yield Difference("added", (*place, key), after=value)


def _in_lists(before: list[Any], after: list[Any], place: Place) -> Iterator[Difference]:
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        yield from differences(old, new, (*place, index))
    for index in range(len(after), len(before)):
        yield Difference("removed", (*place, index), before=before[index])
    for index in range(len(before), len(after)):
        yield Difference("added", (*place, index), after=after[index])


def change_of_context(before: RunState | None, after: RunState) -> tuple[Difference, ...]:
    """What one record made of the context; everything is added where the run did not exist before.

    Costs as much as the steps that the record touched, not as many as the run has.
    """
    if before is None:
        return tuple(differences({}, context_of(after)))
    touched = {
        name for name in before.steps.keys() | after.steps.keys() if before.steps.get(name) is not after.steps.get(name)
    }
    return tuple(differences(context_of(_only(before, touched)), context_of(_only(after, touched))))


def _only(state: RunState, steps: set[str]) -> RunState:
    return changed(state, steps={name: step for name, step in state.steps.items() if name in steps})
