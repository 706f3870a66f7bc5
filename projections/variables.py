"""The variables of a run, from what its set_variable steps set.

Where two steps set the same variable, the one that the file puts later holds, whichever happened to be evaluated
last: branches that run at the same time never decide by who was faster. Later means after it by `needs`, else
below it in the file; of two turns of a loop, the one with the higher index.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from elexirion.events.canonical import canonical_json
from elexirion.pipelines.definition import workflow_of
from elexirion.pipelines.graph import dependencies_of
from elexirion.projections.paths import index_of


def effective_variables(definition: dict[str, Any], assigned: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What holds after all of `assigned`, which is by the path of the step that set it."""
    if len(assigned) == 1:
        return dict(next(iter(assigned.values())))
    ranks = _ranks(canonical_json(definition))
    variables: dict[str, Any] = {}
    for path in sorted(assigned, key=lambda path: _place(path, ranks)):
        variables.update(assigned[path])
    return variables


def _place(path: str, ranks: Mapping[str, int]) -> tuple[int, ...]:
    parts = path.split("/")
    return tuple(ranks[part] if part in ranks else (index_of(part) or 0) for part in parts)


@lru_cache(maxsize=64)
def _ranks(definition: bytes) -> Mapping[str, int]:
    workflow = workflow_of(orjson.loads(definition))
    names = [*_in_block(workflow.get("steps")), *_in_block(workflow.get("on_error"))]
    return {name: rank for rank, name in enumerate(names)}


def _in_block(steps: Any) -> Iterator[str]:
    """Names of a block in an order that `needs` allows, each before the names inside its step."""
    named = {step["name"]: step for step in steps or () if isinstance(step, dict) and "name" in step}
    waiting = dependencies_of([(name, step.get("needs")) for name, step in named.items()])
    done: set[str] = set()
    while len(done) < len(named):
        name = next((n for n in named if n not in done and done.issuperset(set(waiting[n]) & named.keys())), None)
        if name is None:
            return  # a circle, which the loader refuses
        done.add(name)
        yield name
        yield from _inside(named[name])


def _inside(step: Mapping[str, Any]) -> Iterator[str]:
    yield from _in_block(step.get("steps"))
    cases = step.get("cases")
    for block in cases.values() if isinstance(cases, dict) else ():
        yield from _in_block(block)
    default = step.get("default")
    yield from _in_block(default if isinstance(default, list) else None)
