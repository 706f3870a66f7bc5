"""`while_loop`: steps as long as a condition holds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from elexirion.pipelines.steps.composite import Block, Part, RepeatStep
from elexirion.pipelines.steps.step import ConditionForm
from elexirion.pipelines.steps.turns import loop_result
from elexirion.pipelines.uses import ConditionUse, Use
from pydantic import Field, field_validator

if TYPE_CHECKING:
    from elexirion.pipelines.steps.registry import AnyStep


class WhileLoopStep(RepeatStep, frozen=True):
    """Runs `steps` again and again; a step inside that has not run yet counts as false in the condition."""

    result_doc: ClassVar[str] = (
        'As that of `for_loop`; `ended_because` is "condition", "max_iterations", "timeout" or "error".'
    )

    type: Literal["while_loop"]
    condition: ConditionForm  # pyright: ignore[reportGeneralTypeIssues] - what may be missing elsewhere is needed here
    """Tested before each turn: the loop ends where it does not hold."""
    steps: "Annotated[tuple[AnyStep, ...], Field(min_length=1)]"
    """The steps of one turn."""
    max_iterations: Annotated[int, Field(strict=True, ge=1, le=1000)] = 100
    """Turns after which the loop ends, whatever its condition says."""

    @field_validator("condition")
    @classmethod
    def _has_condition(cls, condition: Any) -> Any:
        if condition is None:
            raise ValueError("a while_loop needs a `condition`")
        return condition

    def own_timeout_s(self) -> float | None:
        """None: its time limit ends the loop and does not fail it."""
        return None

    def most_turns(self) -> int:
        return self.max_iterations

    def most_seconds(self) -> float | None:
        return super().own_timeout_s()

    def blocks(self) -> tuple[Block, ...]:
        return (Block(("steps",), self.steps),)

    def uses(self) -> Iterator[Use]:
        return (use for use in super().uses() if not isinstance(use, ConditionUse))

    def inner_uses(self) -> Iterator[Use]:
        yield ConditionUse(("condition",), self.condition)

    def joined(self, parts: Sequence[Part], ended_because: str) -> dict[str, Any]:
        return loop_result(parts, ended_because)
