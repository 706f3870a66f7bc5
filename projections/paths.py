"""Where a step stands in a run: names at the top, `outer/index/inner` in a loop, `outer/index` for an item,
`outer/inner` in a branch. A step inside exists as soon as the step around it was expanded and its turn is open.
"""

from functools import lru_cache

from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Inside, StepState


def step_at(state: RunState, path: str) -> StepState | None:
    """The step at `path`; None where the run has none there, or none any more."""
    if "/" not in path or path in state.live:  # around what is live nothing is over
        return state.steps.get(path)
    kind = _type_inside(state, path)
    if kind is None:
        return None
    return state.steps.get(path) or _untouched(path, kind)


@lru_cache(maxsize=1024)
def _untouched(path: str, kind: str) -> StepState:
    """A step to which nothing happened yet: each decision about its neighbours asks for it again."""
    return StepState(path, kind)


def _type_inside(state: RunState, path: str) -> str | None:
    around, _, last = path.rpartition("/")
    inside = _expanded(state, around)
    if inside is not None:
        match inside.shape:
            case "items":
                index = index_of(last)
                return inside.children.get("") if index is not None and index < (inside.count or 0) else None
            case "branch":
                return inside.children.get(last)
            case _:
                return None
    loop, _, turn = around.rpartition("/")
    inside, index = _expanded(state, loop), index_of(turn)
    if inside is None or inside.shape not in ("loop", "repeat") or index is None:
        return None
    return inside.children.get(last) if inside.turns.get(index, "none") is None else None


def _expanded(state: RunState, path: str) -> Inside | None:
    known = state.steps.get(path)
    return known.inside if known is not None and known.status == "expanded" else None


def index_of(text: str) -> int | None:
    """The index that a part of a path is; None for anything but a plain number."""
    plain = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if plain and str(int(text)) == text else None


def below(state: RunState, path: str) -> list[StepState]:
    """All steps inside the step at `path`, however deep, as far as something happened to them."""
    return [known for name, known in state.steps.items() if name.startswith(f"{path}/")]


def turn_around(state: RunState, path: str) -> str | None:
    """The innermost turn that the step at `path` stands in, as `loop/index`; None outside of loops."""
    around = path.rpartition("/")[0]
    while around in state.steps:
        around = around.rpartition("/")[0]
    return around or None  # of what is around a step, only turns are no steps themselves


def in_order(state: RunState) -> list[StepState]:
    """All steps as people read them: those of the file in its order, what is inside of a step right below it."""
    tops = {name: rank for rank, name in enumerate(path for path in state.steps if "/" not in path)}
    return sorted(state.steps.values(), key=lambda known: _place(state, known.name, tops))


def _place(state: RunState, path: str, tops: dict[str, int]) -> tuple[int, ...]:
    top, *rest = path.split("/")
    place, inside, seen, counts = [tops.get(top, len(tops))], _inside_of(state, top), top, False
    for part in rest:
        seen = f"{seen}/{part}"
        counts = not counts and inside is not None and inside.shape != "branch"
        names = [] if counts or inside is None else list(inside.children)
        place.append(names.index(part) if part in names else index_of(part) or 0)
        if not counts:  # a turn is no step: what it holds is named by its loop
            inside = _inside_of(state, seen)
    return tuple(place)


def _inside_of(state: RunState, path: str) -> Inside | None:
    known = state.steps.get(path)
    return known.inside if known else None
