"""The models of a workflow; the JSON Schema for editors comes from them."""

import json
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.definition import unwrapped
from elexirion.pipelines.effective import EffectiveStep, effective_step
from elexirion.pipelines.model import Model, Number, Positive, Text
from elexirion.pipelines.steps.composite import nested
from elexirion.pipelines.steps.registry import STEP_TYPES, AnyStep
from elexirion.pipelines.steps.step import Step
from pydantic import BeforeValidator, Field

InputType = Literal[
    "any", "string", "text", "integer", "number", "float", "boolean", "list", "array", "map", "object", "file"
]


class InputDeclaration(Model, frozen=True):
    """An input that the workflow names itself."""

    type: InputType = "any"
    """What the input has to be."""
    default: Any = None
    """Value where none is given."""
    required: bool | None = None
    """Whether a run without it is refused; by default when there is no `default`."""
    description: str | None = None
    """What the input is for; for people."""

    @property
    def must_be_given(self) -> bool:
        if "default" in self.model_fields_set:
            return False
        return self.required is not False


class FunctionDeclaration(Model, frozen=True):
    """A function that Gemini steps may offer to the model."""

    description: str | None = None
    """What the function does; for the model."""
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments."""


class ResourceLimits(Model, frozen=True):
    """Budgets of one run; over budget the run fails before the next call, and a call under way is cut.

    While text comes, its tokens are estimated (four characters each); the provider's count holds once it is there.
    """

    max_total_steps: Positive | None = None
    """Steps that a run may start, those inside of others included."""
    max_nesting_depth: Positive = 10
    """How deep steps may stand inside of steps."""
    max_execution_time_s: Number | None = Field(default=None, gt=0)
    """Longest time of a run, in seconds."""
    max_cost_usd: Number | None = Field(default=None, ge=0)
    """What a run may cost, in US dollars."""
    max_tokens: Positive | None = None
    """Tokens that a run may use, in and out."""
    mode: Literal["enforce", "audit"] = "enforce"
    """`audit` only warns: a limit that is passed is an event (`BudgetExceeded`, `audit: true`), and the run goes on."""


class Pipeline(Model, frozen=True):
    """A workflow: its steps and what holds for all of them."""

    name: Text
    """Name of the pipeline."""
    steps: Annotated[tuple[AnyStep, ...], Field(min_length=1)]
    """The steps; each waits for the one above it where its `needs` do not say otherwise."""
    description: str | None = None
    """What the pipeline is for; for people."""
    version: str | int | float | None = None
    """Version of the file; for people."""
    metadata: dict[str, Any] | None = None
    """Anything; it stands in the run's definition."""
    inputs: dict[str, InputDeclaration] = Field(default_factory=dict)
    """Inputs by name; others are accepted with a warning."""
    variables: dict[str, Any] = Field(default_factory=dict)
    """Variables at the start of a run."""
    global_vars: dict[str, Any] = Field(default_factory=dict)
    """Values that no step changes, as `global_vars.x` in templates."""
    defaults: Defaults = Defaults()
    """What holds for every step that does not say otherwise."""
    workspace_dir: Text = "./workspace"
    """Folder in which steps work with files."""
    output_dir: Text = "./outputs"
    """Folder of `output_to_file`."""
    environment: dict[str, Any] = Field(default_factory=dict)
    """About the place where it runs; `mode` may name a preset."""
    gemini_functions: dict[str, FunctionDeclaration] = Field(default_factory=dict)
    """Functions by name that Gemini steps may offer."""
    resource_limits: ResourceLimits = ResourceLimits()
    """Budgets of one run."""
    priority: Literal["high", "normal", "low"] = "normal"
    """Share of a lane that is full: of 13 slots that fall free, 9, 3 and 1, where all of them wait."""
    output: str | dict[str, Any] | None = None
    """The result of the run: an expression, a step's name, or names with expressions."""
    then: tuple[Annotated["Pipeline", BeforeValidator(unwrapped)], ...] = ()
    """Pipelines that run after this one, each with the output of the one before."""
    on_error: tuple[AnyStep, ...] = ()
    """Steps that run when the run is about to fail."""
    checkpoint_enabled: bool | None = None
    """Accepted without effect: every event of the log is a checkpoint."""
    checkpoint_dir: str | None = None
    """Accepted without effect: the log holds what checkpoints held."""
    hooks: Any = None
    """Accepted without effect."""

    def step(self, name: str) -> Step:
        """The step of that name, also one inside of others; raises KeyError."""
        return self.by_name[name]

    def found(self, step: Step | str) -> Step:
        """The step itself, or the one of that name; raises KeyError."""
        return self.by_name[step] if isinstance(step, str) else step

    def effective(self, step: Step | str) -> EffectiveStep:
        """The step, by itself or by its name, with `defaults` applied; raises KeyError."""
        found = self.found(step)
        known = self.effective_by_name.get(found.name)
        return known if known is not None and known.step is found else self._with_defaults(found)

    def _with_defaults(self, step: Step) -> EffectiveStep:
        return effective_step(step, self.defaults, self.output_dir, self.environment)

    @cached_property
    def effective_by_name(self) -> dict[str, EffectiveStep]:
        """Every step of the file as it is in effect: each is asked for at every start of it."""
        return {name: self._with_defaults(step) for name, step in self.by_name.items()}

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """Every step of the file: those inside of others and of `on_error` too."""
        return {step.name: step for step in nested((*self.on_error, *self.steps))}

    def definition(self) -> dict[str, Any]:
        """The pipeline as plain JSON, with what the author wrote and nothing more."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @property
    def sha256(self) -> str:
        """Hash of the definition in canonical JSON."""
        return definition_sha256(self.definition())


# Inline children are pipelines: with their model known, the models of all steps are whole.
_models: tuple[type[Model], ...] = (*STEP_TYPES.values(), Pipeline)
for _model in _models:
    _model.model_rebuild(_types_namespace={"AnyStep": AnyStep, "Pipeline": Pipeline})


def definition_sha256(definition: dict[str, Any]) -> str:
    """SHA-256 of a definition: keys sorted, no spaces, UTF-8."""
    text = json.dumps(definition, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def from_definition(definition: dict[str, Any]) -> Pipeline:
    """The pipeline of a definition that `Pipeline.definition` wrote."""
    return Pipeline.model_validate(definition)
