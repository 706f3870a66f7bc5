"""`pipeline`: another pipeline as a step, in a run of its own."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.definition import unwrapped, workflow_of
from elexirion.pipelines.model import Model, Number, Positive, Text
from elexirion.pipelines.steps.step import Rendering, Step
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

if TYPE_CHECKING:
    from elexirion.pipelines.schema import Pipeline

_PART = re.compile(r"[A-Za-z_][\w-]*")


class ChildOutput(Model, frozen=True):
    """One value that the child gives back."""

    path: Text
    """An expression in the names of the child: a step, `step.field`, `steps.step.result`."""
    as_name: Text | None = Field(default=None, alias="as")
    """Name of the value in the step's result; the last part of the path when nothing is said."""

    @property
    def name(self) -> str:
        parts = _PART.findall(self.path)
        return self.as_name or (parts[-1] if parts else self.path)


class ChildConfig(Model, frozen=True):
    """How the child runs."""

    inherit_context: bool = False
    """Whether the child also gets the inputs and variables of its parent, below its own `inputs`."""
    max_depth: Positive = 10
    """How many pipelines may run inside one another."""
    timeout_seconds: Number | None = Field(default=None, gt=0)
    """Longest time of the child run."""
    continue_on_error: bool | None = None
    """Whether the parent goes on when the child fails."""


def _form(value: Any) -> str:
    return "path" if isinstance(value, str) else "output"


_Output = Annotated[Annotated[Text, Tag("path")] | Annotated[ChildOutput, Tag("output")], Discriminator(_form)]


class PipelineStep(Step, frozen=True):
    """Runs a pipeline of another file, or one that stands here; the result is the child's output."""

    template_keys: ClassVar[tuple[str, ...]] = ("pipeline_file", "inputs")
    result_doc: ClassVar[str] = "The child's output; with `outputs` a mapping of these."

    type: Literal["pipeline"]
    pipeline_file: Text | None = None
    """File of the child."""
    pipeline: "Annotated[Pipeline, BeforeValidator(unwrapped)] | None" = None
    """The child itself."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """Inputs of the child."""
    outputs: tuple[_Output, ...] = ()
    """Values that the child gives back, instead of its own output."""
    child_config: ChildConfig = Field(default=ChildConfig(), alias="config")
    """How the child runs."""

    @model_validator(mode="after")
    def _one_child(self) -> Self:
        if (self.pipeline is None) == (self.pipeline_file is None):
            raise ValueError("give either `pipeline_file` or `pipeline`")
        twice = [name for name, count in Counter(one.name for one in self.child_outputs()).items() if count > 1]
        if twice:
            raise ValueError(f"two outputs are called `{twice[0]}`: give one of them a name with `as`")
        return self

    def own_timeout_s(self) -> float | None:
        own = super().own_timeout_s()
        return self.child_config.timeout_seconds if own is None else own

    def own_continue_on_error(self) -> bool | None:
        own = super().own_continue_on_error()
        return self.child_config.continue_on_error if own is None else own

    def child_outputs(self) -> tuple[ChildOutput, ...]:
        """The wanted values, in one form."""
        return tuple(ChildOutput(path=one) if isinstance(one, str) else one for one in self.outputs)

    def inline_definition(self) -> dict[str, Any] | None:
        """The child that stands in the file, with the wanted outputs; None when it is another file."""
        return None if self.pipeline is None else self.child_definition(self.pipeline.definition())

    def child_definition(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The child's document with its `output` replaced by the wanted ones, where there are any."""
        if not self.outputs:
            return dict(document)
        workflow = workflow_of(dict(document))
        output = {one.name: expression_of(one.path, workflow) for one in self.child_outputs()}
        replaced = {**workflow, "output": output}
        return {**document, "workflow": replaced} if "workflow" in document else replaced

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        """The rendered inputs and the name of the file, which is None for a child that stands here."""
        return {
            "inputs": rendering.value(self.inputs),
            "pipeline_file": rendering.value(self.pipeline_file),
            "inherit_context": self.child_config.inherit_context,
            "max_depth": self.child_config.max_depth,
        }


def expression_of(path: str, workflow: Mapping[str, Any]) -> str:
    """The path of an output as an expression of the child: `results.x` is another spelling of `steps.x`."""
    steps = workflow.get("steps")
    names = [step.get("name") for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    if path.startswith("results.") and "results" not in names:
        return f"steps.{path.removeprefix('results.')}"
    return path
