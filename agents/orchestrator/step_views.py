"""The results of steps as templates see them, read once each while they are asked for."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from elexirion.events.values import Stored, Value
from elexirion.pipelines.names import StepView
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState

REMEMBERED = 4_000
KEPT_BYTES = 64 * 1024 * 1024

Load = Callable[[Value], Awaitable[Any]]


class StepViews:
    """Views of steps that are over. Reading JSON in a text is what a view costs, so the latest are kept."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._kept: OrderedDict[tuple[object, ...], StepView] = OrderedDict()
        self._loaded: OrderedDict[Stored, Any] = OrderedDict()

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
        """A value itself; one that is stored is read once, however many items of a list ask for the list."""
        if not isinstance(value, Stored):
            return value.value if value else None
        if value not in self._loaded:
            self._loaded[value] = await self._load(value)
            while sum(stored.size for stored in self._loaded) > KEPT_BYTES and len(self._loaded) > 1:
                self._loaded.popitem(last=False)
        return self._loaded[value]

    async def _read(self, known: StepState) -> StepView:
        result = await self.value(known.result) if known.status == "completed" else None
        return StepView.of(result, usage=known.usage.model_dump(), status=known.status)
