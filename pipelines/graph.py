"""The order that `needs` gives to steps, and what may therefore be referred to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from heapq import heappop, heappush
from typing import Protocol, TypeVar

T = TypeVar("T")
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
    done = _ordered(waiting)
    if len(done) < len(waiting):
        raise ValueError("the steps wait for each other: " + ", ".join(cycle(waiting) or ()))
    return tuple(done)


class Steps(Set[str]):
    """Names of steps, as bits: the sets of all steps of a long chain would fill the memory."""

    __slots__ = ("_bits", "_names", "_places")

    def __init__(self, bits: int, names: Sequence[str], places: Mapping[str, int]) -> None:
        self._bits, self._names, self._places = bits, names, places

    def __contains__(self, name: object) -> bool:
        place = self._places.get(name) if isinstance(name, str) else None
        return place is not None and bool(self._bits >> place & 1)

    def __iter__(self) -> Iterator[str]:
        return (name for place, name in enumerate(self._names) if self._bits >> place & 1)

    def __len__(self) -> int:
        return self._bits.bit_count()

    def __repr__(self) -> str:
        return f"Steps({set(self)!r})"

    @classmethod
    def _from_iterable(cls, it: Iterable[T]) -> Set[T]:
        return frozenset(it)


def ancestors(needs: Needs) -> dict[str, Set[str]]:
    """All steps that are certainly over when a step starts; of steps in a circle, and after it, all others."""
    names = tuple(dict.fromkeys([*needs, *(name for waits in needs.values() for name in waits)]))
    places = {name: place for place, name in enumerate(names)}
    everything, bits = (1 << len(names)) - 1, dict[str, int]()
    for name in _ordered(needs):
        found = 0
        for above in needs[name]:
            found |= bits.get(above, 0) | 1 << places[above]
        bits[name] = found
    return {name: Steps(bits.get(name, everything & ~(1 << places[name])), names, places) for name in needs}


def _ordered(needs: Needs) -> list[str]:
    """The steps that no circle holds up, each after those it waits for, the first of the file first."""
    places = {name: place for place, name in enumerate(needs)}
    open_needs = {name: {one for one in waits if one in needs} for name, waits in needs.items()}
    following: dict[str, list[str]] = {}
    for name, waits in open_needs.items():
        for above in waits:
            following.setdefault(above, []).append(name)
    names = tuple(needs)
    ready = [places[name] for name, waits in open_needs.items() if not waits]
    done: list[str] = []
    while ready:
        name = names[heappop(ready)]
        done.append(name)
        for after in following.get(name, ()):
            open_needs[after].discard(name)
            if not open_needs[after]:
                heappush(ready, places[after])
    return done


def cycle(needs: Needs) -> tuple[str, ...] | None:
    """Steps that wait for each other in a circle, in order; None when there is no circle."""
    safe: set[str] = set()
    for name in needs:
        found = _circle(name, needs, safe)
        if found:
            return found
    return None


def _circle(start: str, needs: Needs, safe: set[str]) -> tuple[str, ...] | None:
    # Iterative: a file may hold thousands of steps in one chain. A mapping, since it finds and keeps the order.
    path: dict[str, None] = {start: None}
    stack = [(start, iter(needs.get(start, ())))]
    while stack:
        name, waiting = stack[-1]
        following = next(waiting, None)
        if following is None:
            safe.add(name)
            path.pop(name)
            stack.pop()
        elif following in path:
            names = tuple(path)
            return names[names.index(following) :]
        elif following not in safe and following in needs:
            path[following] = None
            stack.append((following, iter(needs[following])))
    return None
