"""`for_loop`: steps for each item of a list."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.model import Positive
from elexirion.pipelines.steps.composite import Block, LoopStep, Part
from elexirion.pipelines.steps.item_source import values_of
from elexirion.pipelines.steps.step import ConditionForm, Rendering
from elexirion.pipelines.steps.turns import loop_result
from elexirion.pipelines.uses import ConditionUse, Use, expressions_in
from pydantic import AfterValidator, Field, model_validator

if TYPE_CHECKING:
    from elexirion.pipelines.steps.registry import AnyStep

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


def _is_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("an iterator is a name such as `file`: letters, digits and `_`")
    return name


IteratorName = Annotated[str, AfterValidator(_is_name)]


class ForLoopStep(LoopStep, frozen=True):
    """Runs `steps` once for each item; a turn sees the item by the name of the iterator."""

    result_doc: ClassVar[str] = (
        "`results`, one for each turn: `index`, `status`, `result` (of the last step that completed in the turn), "
        "`error`, `steps` by name. `iterations`, `completed`, `failed` and `skipped` count turns; `ended_because` is "
        '"completed", "break", "max_iterations" or "error".'
    )

    type: Literal["for_loop"]
    iterator: IteratorName | None = None
    """Name of the present item in templates; `item` when nothing is said."""
    as_name: IteratorName | None = Field(default=None, alias="as")
    """Another name of `iterator`."""
    data_source: Any = None
    """What is gone over: a list, or an expression that gives one."""
    over: Any = None
    """Another name of `data_source`."""
    steps: "Annotated[tuple[AnyStep, ...], Field(min_length=1)]"
    """The steps of one turn."""
    parallel: bool = False
    """Whether turns run at the same time."""
    max_parallel: Positive = 5
    """Turns in flight at the same time, of a parallel loop."""
    break_on_error: bool = True
    """Whether a failed turn fails the loop; otherwise the loop goes on and its result has the error."""
    break_condition: ConditionForm = None
    """Tested after each turn: the loop ends where it holds."""
    continue_condition: ConditionForm = None
    """Tested before each turn: the turn is left out where it holds."""
    max_iterations: Positive | None = None
    """Items after which the loop ends."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.data_source is None) == (self.over is None):
            raise ValueError("a loop needs `data_source` (or `over`): a list, or an expression that gives one")
        if self.iterator is not None and self.as_name is not None:
            raise ValueError("give either `iterator` or `as`")
        return self

    def most_in_flight(self) -> int:
        return self.max_parallel if self.parallel else 1

    def iterator_name(self) -> str:
        return self.iterator or self.as_name or "item"

    def stops_at_error(self) -> bool:
        return self.break_on_error

    def break_when(self) -> Any:
        return self.break_condition

    def skip_when(self) -> Any:
        return self.continue_condition

    def most_turns(self) -> int | None:
        return self.max_iterations

    def blocks(self) -> tuple[Block, ...]:
        return (Block(("steps",), self.steps),)

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        yield from expressions_in(self.data_source, ("data_source",))
        yield from expressions_in(self.over, ("over",))

    def inner_uses(self) -> Iterator[Use]:
        for key in ("break_condition", "continue_condition"):
            if getattr(self, key) is not None:
                yield ConditionUse((key,), getattr(self, key))

    def items(self, rendering: Rendering) -> list[Any]:
        key = "over" if self.data_source is None else "data_source"
        return values_of(rendering.expression(getattr(self, key)), key)

    def joined(self, parts: Sequence[Part], ended_because: str) -> dict[str, Any]:
        return loop_result(parts, ended_because)
