"""What is said in a session that runs share: the `value` of the signal `turns` to its session run."""

from typing import Annotated

from elexirion.events.record_model import RecordModel
from elexirion.events.values import Stored
from pydantic import Field

Said = Annotated[str, Field(pattern=r"\S")]
"""Providers refuse to be told nothing."""


class Turn(RecordModel):
    """What was said, and the answer to it."""

    user: Said
    assistant: Said


class TurnsSaid(RecordModel):
    """The turns that one execution added, oldest first; without an `execution_id`, another client said them."""

    turns: tuple[Turn, ...] | Stored
    execution_id: str | None = None
