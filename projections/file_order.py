"""The order of the file: which of two steps of a run comes first, whichever of them was faster.

After another one is a step that needs it, else one that stands below it; a step inside another comes after that
one, and of two turns of a loop the one with the higher index is later.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import orjson
from elexirion.events.canonical import canonical_json
from elexirion.pipelines.definition import workflow_of
from elexirion.pipelines.graph import dependencies_of
from elexirion.projections.paths import index_of

Place: TypeAlias = tuple[int, ...]


def places(definition: dict[str, Any]) -> Callable[[str], Place]:
    """The place of a path in a run of this definition: a later step has a greater one."""
    return _places(canonical_json(definition))


@lru_cache(maxsize=64)
def _places(definition: bytes) -> Callable[[str], Place]:
    workflow = workflow_of(orjson.loads(definition))
    named = dict((*_in_block(workflow.get("steps")), *_in_block(workflow.get("on_error"))))
    ranks = {name: rank for rank, name in enumerate(named)}
    branches = frozenset(name for name, step in named.items() if "cases" in step or "default" in step)

    def place(path: str) -> Place:
        found: list[int] = []
        counts = False
        for part in path.split("/"):
            # What follows any name but that of a switch is a turn or an item, even where a step is called `1`.
            found.append((index_of(part) or 0) if counts else ranks.get(part, len(ranks)))
            counts = not counts and part not in branches
        return tuple(found)

    return place


def _in_block(steps: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The steps of a block by name, in an order that `needs` allows, each before those inside it."""
    named = {step["name"]: step for step in steps or () if isinstance(step, dict) and "name" in step}
    waiting = dependencies_of([(name, step.get("needs")) for name, step in named.items()])
    done: set[str] = set()
    while len(done) < len(named):
        name = next((n for n in named if n not in done and done.issuperset(set(waiting[n]) & named.keys())), None)
        if name is None:
            return  # a circle, which the loader refuses
        done.add(name)
        yield name, named[name]
        yield from _inside(named[name])


def _inside(step: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from _in_block(step.get("steps"))
    cases = step.get("cases")
    for block in cases.values() if isinstance(cases, dict) else ():
        yield from _in_block(block)
    default = step.get("default")
    yield from _in_block(default if isinstance(default, list) else None)
