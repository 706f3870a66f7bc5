"""The results of steps as templates see them, read once each while they are asked for."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from elexirion.events.values import Inline, Value
from elexirion.pipelines.names import StepView
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState

REMEMBERED = 4_000

Load = Callable[[Value], Awaitable[Any]]


class StepViews:
    """Views of steps that are over. Reading JSON in a text is what a view costs, so the latest are kept."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._kept: OrderedDict[tuple[object, ...], StepView] = OrderedDict()

    async def view(self, state: RunState, path: str) -> StepView | None:
        """The view of the step at `path`; None while it is not over."""
        known = state.steps.get(path)
        if known is None or known.status not in ("completed", "skipped", "failed"):
            return None
        key = (state.run_id, path, known.status, known.ended_at, known.failures)
        if key not in self._kept:
            self._kept[key] = await self._read(known)
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return self._kept[key]

    async def value(self, value: Value | None) -> Any:
        """A value itself, read from where it is stored."""
        if value is None:
            return None
        return value.value if isinstance(value, Inline) else await self._load(value)

    async def _read(self, known: StepState) -> StepView:
        result = await self.value(known.result) if known.status == "completed" else None
        return StepView.of(result, usage=known.usage.model_dump(), status=known.status)
