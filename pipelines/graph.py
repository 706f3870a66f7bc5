"""The order that `needs` gives to steps, and what may therefore be referred to."""

from collections.abc import Mapping, Sequence
from typing import Protocol

Needs = Mapping[str, tuple[str, ...]]


class _Step(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...] | None: ...


class _HasSteps(Protocol):
    @property
    def steps(self) -> Sequence[_Step]: ...


def dependencies(pipeline: _HasSteps) -> dict[str, tuple[str, ...]]:
    """The steps that each step waits for: its `needs`, or the step above it; `needs: []` waits for none."""
    return dependencies_of([(step.name, step.needs) for step in pipeline.steps])


def dependencies_of(steps: Sequence[tuple[str, Sequence[str] | None]]) -> dict[str, tuple[str, ...]]:
    """The same of names and needs alone, for files that are not valid yet."""
    found: dict[str, tuple[str, ...]] = {}
    above: tuple[str, ...] = ()
    for name, needs in steps:
        found.setdefault(name, above if needs is None else tuple(dict.fromkeys(needs)))
        above = (name,)
    return found


def order(pipeline: _HasSteps) -> tuple[str, ...]:
    """Every step after those it waits for, else as the file has them; a valid pipeline has no cycle."""
    waiting = dependencies(pipeline)
    done: dict[str, None] = {}
    while len(done) < len(waiting):
        ready = [name for name, needs in waiting.items() if name not in done and all(n in done for n in needs)]
        if not ready:
            raise ValueError("the steps wait for each other: " + ", ".join(cycle(waiting) or ()))
        done[ready[0]] = None
    return tuple(done)


def ancestors(needs: Needs) -> dict[str, frozenset[str]]:
    """All steps that are certainly over when a step starts."""
    return {name: frozenset(_above(name, needs)) for name in needs}


def cycle(needs: Needs) -> tuple[str, ...] | None:
    """Steps that wait for each other in a circle, in order; None when there is no circle."""
    safe: set[str] = set()
    for name in needs:
        path: list[str] = []
        found = _circle(name, needs, safe, path)
        if found:
            return found
    return None


def _circle(start: str, needs: Needs, safe: set[str], path: list[str]) -> tuple[str, ...] | None:
    # Iterative: a file may hold thousands of steps in one chain.
    stack = [(start, iter(needs.get(start, ())))]
    path.append(start)
    while stack:
        name, waiting = stack[-1]
        following = next(waiting, None)
        if following is None:
            safe.add(name)
            path.pop()
            stack.pop()
        elif following in path:
            return tuple(path[path.index(following) :])
        elif following not in safe and following in needs:
            path.append(following)
            stack.append((following, iter(needs[following])))
    return None


def _above(name: str, needs: Needs) -> set[str]:
    found: set[str] = set()
    waiting = list(needs.get(name, ()))
    while waiting:
        above = waiting.pop()
        if above not in found:
            found.add(above)
            waiting.extend(needs.get(above, ()))
    found.discard(name)
    return found
