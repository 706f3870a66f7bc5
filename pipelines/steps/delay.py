"""`delay`: a pause that outlives every process."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from elexirion.pipelines.durations import seconds_of
from elexirion.pipelines.model import Text
from elexirion.pipelines.steps.step import Rendering, Step
from elexirion.pipelines.template_errors import TemplateError
from elexirion.pipelines.templates import is_template
from pydantic import AfterValidator, WithJsonSchema, model_validator

LONGEST_S = 10 * 366 * 86400.0


def _is_span(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and is_template(value)):
        _seconds(value)
    return value


class DelayStep(Step, frozen=True):
    """Waits for a number of seconds, or until a point of time; the result is null."""

    template_keys: ClassVar[tuple[str, ...]] = ("seconds", "until")
    result_doc: ClassVar[str] = "null."

    type: Literal["delay"]
    seconds: Annotated[Any, AfterValidator(_is_span), WithJsonSchema({"type": ["number", "string"]})] = None
    """A number of seconds, a span such as "5m", or a template that gives one of them."""
    until: Text | None = None
    """A point of time in ISO 8601, without an offset in UTC, or a template that gives one."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.seconds is None) == (self.until is None):
            raise ValueError("give either `seconds` or `until`")
        if self.until is not None and not is_template(self.until):
            _until(self.until)
        return self

    def own_timeout_s(self) -> float | None:
        """None: a delay ends by itself."""
        return None

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        """`{"seconds": number}`, or `{"until": text}` in UTC."""
        try:
            if self.until is not None:
                return {"until": _until(rendering.value(self.until))}
            return {"seconds": _seconds(rendering.value(self.seconds))}
        except ValueError as error:
            raise TemplateError(str(error)) from None


def _seconds(value: Any) -> float:
    found = _number(value)
    if found is None or not math.isfinite(found) or found < 0:
        raise ValueError('`seconds` must give a number of seconds that is not negative, or text such as "5m"')
    if found > LONGEST_S:
        raise ValueError("`seconds` is longer than ten years")
    return found


def _number(value: Any) -> float | None:
    match value:
        case bool():
            return None
        case int() | float():
            return value if abs(value) < math.inf and abs(value) <= 2**63 else math.inf
        case str():
            return _of_text(value)
        case _:
            return None


def _of_text(text: str) -> float | None:
    for read in (float, seconds_of):
        try:
            return read(text)
        except (ValueError, OverflowError):
            continue
    return None


def _until(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(value).strip())
        at = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("`until` must give a point of time such as 2026-01-31T08:00:00Z") from None
    return at.isoformat().replace("+00:00", "Z")
