"""`gemini_structured` and `gemini_instructor`: data from a Gemini model, by a schema."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from elexirion.pipelines.model import Model
from elexirion.pipelines.schema_dialect import json_schema
from elexirion.pipelines.steps.gemini import GeminiCall
from elexirion.pipelines.steps.step import Rendering
from pydantic import Field, model_validator


class StructuredConfig(Model, frozen=True, serialize_by_alias=True):
    """`extraction_config` of a step that asks for data."""

    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema that the data must satisfy."""


class GeminiStructuredStep(GeminiCall, frozen=True, serialize_by_alias=True):
    """Asks a Gemini model for data; the result is the data, which fits the schema.

    The provider is held to the schema, the answer is validated, and one that does not fit is asked for once more.
    Without a schema any JSON object is asked for.
    """

    result_doc: ClassVar[str] = "The data."

    type: Literal["gemini_structured", "gemini_instructor"]
    extraction_config: StructuredConfig | None = None
    """Another place of the schema."""
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema that the data must satisfy; the same as `output_schema` and `extraction_config.schema`."""

    @model_validator(mode="after")
    def _one_schema(self) -> Self:
        if len(self._schemas()) > 1:
            raise ValueError("give one of `extraction_config.schema`, `schema` and `output_schema`")
        return self

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        schema = next(iter(self._schemas()), None)
        return {
            **super().config(options, rendering),
            "output_schema": None if schema is None else json_schema(schema),
            "repair": True,
        }

    def _schemas(self) -> list[dict[str, Any]]:
        extraction = self.extraction_config.schema_ if self.extraction_config else None
        return [schema for schema in (extraction, self.schema_, self.output_schema) if schema is not None]
