"""`set_variable`: values for later steps."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from elexirion.pipelines.model import Text
from elexirion.pipelines.steps.step import Rendering, Step
from pydantic import model_validator


class SetVariableStep(Step, frozen=True):
    """Sets variables, either many at once or one by `variable` and `value`."""

    template_keys: ClassVar[tuple[str, ...]] = ("variables", "value")
    result_doc: ClassVar[str] = "The variables with their values."

    type: Literal["set_variable"]
    variables: dict[str, Any] | None = None
    """Name and value of each variable."""
    variable: Text | None = None
    """Name of the one variable."""
    value: Any = None
    """Value of the one variable."""
    scope: Literal["global", "session", "loop"] = "global"
    """Where the variables hold: the whole run, or one iteration of a loop."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.variables is None) == (self.variable is None):
            raise ValueError("give either `variables`, or `variable` and `value`")
        if self.variable is not None and "value" not in self.model_fields_set:
            raise ValueError("`variable` needs a `value`")
        return self

    def sets(self) -> tuple[str, ...]:
        return tuple(self.values())

    def values(self) -> dict[str, Any]:
        """Name and value of each variable, before rendering."""
        if self.variables is not None:
            return self.variables
        return {} if self.variable is None else {self.variable: self.value}

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        return {"variables": rendering.value(self.values()), "scope": self.scope}
