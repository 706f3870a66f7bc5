"""The circuits as the records of `providers` tell of them."""

from collections.abc import Iterator
from typing import Final

from elexirion.events.envelope import Record
from elexirion.events.provider import CircuitClosed, CircuitHalfOpened, CircuitOpened
from elexirion.projections.tally import MODELS

CLOSED: Final = 0
HALF_OPEN: Final = 1
OPEN: Final = 2


class Circuits:
    """A Listener that keeps the present state by provider and model, of the first MODELS of them."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], int] = {}

    def on_record(self, record: Record) -> None:
        """Take a circuit's record in; others are passed over."""
        match record.data:
            case CircuitOpened(provider=provider, model=model):
                self._set(provider, model, OPEN)
            case CircuitHalfOpened(provider=provider, model=model):
                self._set(provider, model, HALF_OPEN)
            case CircuitClosed(provider=provider, model=model):
                self._set(provider, model, CLOSED)
            case _:
                return

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Provider, model, state."""
        for (provider, model), state in self._states.items():
            yield provider, model, state

    def _set(self, provider: str, model: str, state: int) -> None:
        if (provider, model) in self._states or len(self._states) < MODELS:
            self._states[provider, model] = state
