"""`switch`: one of several blocks of steps, chosen by a value."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from elexirion.pipelines.json_text import text_of
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.scalars import ScalarRefused, resolve
from elexirion.pipelines.steps.composite import Block, BranchStep, Part
from elexirion.pipelines.steps.step import Rendering
from pydantic import Field, model_validator

if TYPE_CHECKING:
    from elexirion.pipelines.steps.registry import AnyStep

DEFAULT = "default"


class SwitchStep(BranchStep, frozen=True):
    """Runs the steps of the case that the expression's value names, or those of `default`."""

    expression_keys: ClassVar[tuple[str, ...]] = ("expression",)
    result_doc: ClassVar[str] = (
        '`branch`, the name of the case ("default", or null where none fits); `result` of its last step; `steps`, the'
        " results of its steps by name."
    )

    type: Literal["switch"]
    expression: Any
    """An expression whose value is compared with the names of the cases."""
    cases: "dict[str, tuple[AnyStep, ...]]" = Field(default_factory=dict)
    """Steps by the value for which they run."""
    default: "tuple[AnyStep, ...] | None" = None
    """Steps that run when no case fits."""

    @model_validator(mode="after")
    def _has_a_block(self) -> Self:
        if not self.cases and self.default is None:
            raise ValueError("a switch needs `cases`")
        if DEFAULT in self.cases and self.default is not None:
            raise ValueError("`default` stands beside `cases` and in it: remove one of them")
        return self

    def blocks(self) -> tuple[Block, ...]:
        found = [_block(("cases", key), key, steps) for key, steps in self.cases.items()]
        if self.default is not None:
            found.append(_block((DEFAULT,), DEFAULT, self.default))
        return tuple(found)

    def chosen(self, rendering: Rendering) -> str | None:
        value = rendering.expression(self.expression)
        fitting = (key for key in self.cases if _fits(key, value))
        other = DEFAULT if DEFAULT in self.cases or self.default is not None else None
        return next(fitting, other)

    def joined(self, key: str | None, part: Part | None) -> dict[str, Any]:
        steps = dict(part.steps or {}) if part else {}
        return {"branch": key, "result": part.result if part else None, "steps": steps}


def _block(path: KeyPath, key: str, steps: "tuple[AnyStep, ...]") -> Block:
    return Block(path, steps, key)


def _fits(key: str, value: Any) -> bool:
    """Whether the name of a case is the value's text, or the same number, truth value or null in YAML."""
    if key == text_of(value):
        return True
    if isinstance(value, str):
        return False
    try:
        named = resolve(key)
    except ScalarRefused:
        return False
    return isinstance(named, bool) == isinstance(value, bool) and not isinstance(named, str) and named == value
