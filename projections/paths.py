"""Where a step stands in a run: names at the top, `outer/index/inner` in a loop, `outer/index` for an item,
`outer/inner` in a branch. A step inside exists as soon as the step around it was expanded and its turn is open.
"""

from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Inside, StepState


def step_at(state: RunState, path: str) -> StepState | None:
    """The step at `path`; None where the run has none there, or none any more."""
    if "/" not in path:
        return state.steps.get(path)
    kind = _type_inside(state, path)
    if kind is None:
        return None
    return state.steps.get(path) or StepState(path, kind)


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
    return int(text) if text.isascii() and text.isdigit() and str(int(text)) == text else None


def below(state: RunState, path: str) -> list[StepState]:
    """All steps inside the step at `path`, however deep, as far as something happened to them."""
    return [known for name, known in state.steps.items() if name.startswith(f"{path}/")]
