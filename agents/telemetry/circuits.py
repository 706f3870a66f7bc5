"""The circuits as the fold of `providers` has them."""

from collections.abc import Callable, Iterator
from typing import Final

from elexirion.projections.circuit import Position
from elexirion.projections.providers import Providers
from elexirion.projections.tally import MODELS

VALUE: Final[dict[Position, int]] = {"closed": 0, "half_open": 1, "open": 2}


class Circuits:
    """The present position by provider and model, of the first MODELS that were ever seen not to be closed."""

    def __init__(self, state: Callable[[], Providers]) -> None:
        self._state = state
        self._seen: set[tuple[str, str]] = set()

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Provider, model, value."""
        state = self._state()
        for of in state.circuits:
            if len(self._seen) < MODELS:
                self._seen.add(of)
        for provider, model in sorted(self._seen):
            yield provider, model, VALUE[state.circuit(provider, model).position]
