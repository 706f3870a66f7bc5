"""`test_echo`: a step that answers with its own value, for tests and measurements."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from elexirion.pipelines.model import NotNegative
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.template_errors import TemplateError
from pydantic import Field

MAX_CHUNKS = 10_000


class TestEchoStep(Step, frozen=True):
    """Answers with `value` after `delay_ms`, in `chunks`, or fails."""

    __test__: ClassVar[bool] = False  # pytest collects classes by the prefix of their name

    lane: ClassVar[Lane | None] = "local"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    template_keys: ClassVar[tuple[str, ...]] = ("value", "fail", "error_message", "delay_ms", "chunks")
    result_doc: ClassVar[str] = "The `value`."

    type: Literal["test_echo"]
    value: Any = None
    """The result."""
    fail: bool | str = False
    """Whether the step fails; text is a template that gives true or false."""
    error_message: str | None = None
    """What the failure says."""
    delay_ms: NotNegative | str = 0
    """Time before the first chunk; text is a template that gives a number."""
    chunks: Annotated[int, Field(strict=True, ge=1, le=MAX_CHUNKS)] | tuple[str, ...] | None = None
    """Into how many chunks the streamed text is cut, or the chunks themselves."""

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        chunks = self.chunks if self.chunks is None or isinstance(self.chunks, int) else list(self.chunks)
        return {
            "value": rendering.value(self.value),
            "fail": _truth(rendering.value(self.fail)),
            "error_message": rendering.value(self.error_message),
            "delay_ms": _milliseconds(rendering.value(self.delay_ms)),
            "chunks": rendering.value(chunks),
            "streaming": self.streaming,
        }


def _truth(value: Any) -> bool:
    match value:
        case True | "true":
            return True
        case False | "false":
            return False
        case _:
            raise TemplateError(f"`fail` must give true or false, not {value!r}")


def _milliseconds(value: Any) -> int:
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        raise TemplateError(f"`delay_ms` must give a number, not {value!r}") from None
