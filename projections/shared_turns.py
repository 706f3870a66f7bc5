"""The turns of a shared session, as the signals to its run tell them."""

from elexirion.events import run
from elexirion.events.session import TurnsSaid

KEPT = 1_000
"""Of so many steps that carried a session on last, the turns are kept: a fold stays bounded, however old it grows."""


def after_signal(told: tuple[TurnsSaid, ...], data: run.SignalReceived) -> tuple[TurnsSaid, ...]:
    """All that is told after one more signal.

    `forget` leaves the executions behind without their turns, so that runs which are still open forget theirs too.
    """
    match data.name:
        case "turns":
            return (*told, TurnsSaid.model_validate(data.value))[-KEPT:]
        case "forget":
            return tuple(said.model_copy(update={"turns": ()}) for said in told)
        case _:
            return told
