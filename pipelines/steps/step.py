"""What every step has, and what each step type must say about itself."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.durations import Duration, seconds_of
from elexirion.pipelines.fallback import Candidate, FallbackTarget, read_fallback
from elexirion.pipelines.model import Model, Number, Positive, Text
from elexirion.pipelines.options import CacheOptions
from elexirion.pipelines.retry import RetryPolicy
from elexirion.pipelines.segments import Prompt
from elexirion.pipelines.uses import ConditionUse, Use, expressions_in, templates_in
from pydantic import AfterValidator, Field, WithJsonSchema

Lane = Literal["claude", "gemini", "openai", "local"]
PROVIDER_TIMEOUT_S = 300.0


def _is_condition(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | list | dict):
        return value
    raise ValueError("a condition is an expression, a list, or one of `and`, `or`, `not`")


ConditionForm = Annotated[
    Any, AfterValidator(_is_condition), WithJsonSchema({"type": ["string", "boolean", "array", "object", "null"]})
]
# Names are part of execution ids (`run/step[/item]#n`), so these characters would make them ambiguous.
StepName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/#\x00-\x1f\x7f]+$")]


class Rendering(Protocol):
    """What a step may ask for while it is rendered."""

    @property
    def gemini_functions(self) -> Mapping[str, Any]: ...

    def value(self, source: Any) -> Any:
        """JSON types with every text in it rendered; one whole expression keeps its type."""
        ...

    def expression(self, source: Any) -> Any:
        """The value of an expression, a template or a plain path (`steps.a.data.items`,
        `previous_response:a.items`); a list or mapping has the templates within it rendered."""
        ...

    def prompt(self, prompt: Prompt) -> str:
        """The text of a prompt, with the files it names read."""
        ...

    def session(self, name: str) -> list[dict[str, str]]:
        """The history of a session, oldest first: `{"user": text, "assistant": text}` each; empty without one."""
        ...


class Step(Model, frozen=True):
    """The keys of every step; `lane` and `default_timeout_s` belong to the step type."""

    lane: ClassVar[Lane | None] = None
    """Where the step runs; None for one that is evaluated where decisions are made."""
    default_timeout_s: ClassVar[float | None] = None
    """Longest time of one attempt when nobody says; None for steps without a time limit."""
    template_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the step type whose texts are rendered."""
    expression_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the step type whose text is an expression, with or without braces."""
    result_doc: ClassVar[str] = ""
    """What the result is, for the reference pages."""

    name: StepName
    """The name by which other steps refer to this one; once per pipeline."""
    type: str
    description: str | None = None
    """What the step is for; for people."""
    condition: ConditionForm = None
    """When it is false the step is skipped."""
    needs: tuple[str, ...] | None = None
    """Steps to wait for; without it the step above, with an empty list none."""
    timeout: Duration | None = None
    """Longest time of one attempt: milliseconds, or text such as "30s"."""
    timeout_ms: Positive | None = None
    """Longest time of one attempt, in milliseconds."""
    timeout_seconds: Number | None = Field(default=None, gt=0)
    """Longest time of one attempt, in seconds."""
    retry: RetryPolicy | None = None
    """How often and how fast a failed attempt is repeated."""
    continue_on_error: bool | None = None
    """Whether the run goes on when this step fails."""
    cache: bool | CacheOptions | None = None
    """Whether an equal call takes a stored result; a mapping says how old it may be."""
    fallback: tuple[FallbackTarget | str, ...] | None = None
    """Who is asked in turn, as `provider/model`, when the circuit is open, a budget is spent or attempts are.

    A text without a slash is a provider's default model, or else a model of the step's own provider. Each has the
    attempts of `retry` anew.
    """
    output_to_file: Text | None = None
    """File below the output folder that receives the result."""
    output_schema: dict[str, Any] | None = None
    """JSON Schema that the result must satisfy."""
    streaming: bool = True
    """Whether the answer arrives in chunks."""
    display: Any = None
    """How the terminal shows the step."""

    def own_timeout_s(self) -> float | None:
        """Seconds by the step's own keys, the most exact spelling first."""
        if self.timeout_ms is not None:
            return self.timeout_ms / 1000
        if self.timeout_seconds is not None:
            return self.timeout_seconds
        return None if self.timeout is None else seconds_of(self.timeout)

    def own_continue_on_error(self) -> bool | None:
        return self.continue_on_error

    def own_retry(self) -> RetryPolicy | None:
        return self.retry

    def candidates(self) -> tuple[Candidate, ...]:
        """Whom the step asks in turn where its own model cannot answer."""
        return tuple(one for one in read_fallback(self.fallback, self.lane) if isinstance(one, Candidate))

    def effective_options(self, defaults: Defaults) -> dict[str, Any]:
        """Options of the provider with `defaults` under the step's own, as plain JSON."""
        return {}

    def uses(self) -> Iterator[Use]:
        """Everything the step takes from elsewhere; paths are relative to the step."""
        if self.condition is not None:
            yield ConditionUse(("condition",), self.condition)
        for key in ("output_to_file", *self.template_keys):
            yield from templates_in(self._plain(key), (key,))
        for key in self.expression_keys:
            yield from expressions_in(self._plain(key), (key,))

    def sets(self) -> tuple[str, ...]:
        """Variables that exist after the step."""
        return ()

    def output_fields(self) -> tuple[str, ...]:
        """Names, besides the step's own, under which `previous_response:name` finds its result."""
        return ()

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        """What the step needs to run, rendered, as plain JSON; `options` are the effective ones."""
        raise NotImplementedError

    def works_with_files(self, config: Mapping[str, Any]) -> bool:
        """Whether the worker needs to know the folders of the run."""
        return False

    def _plain(self, key: str) -> Any:
        value = getattr(self, key)
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True) if isinstance(value, Model) else value
