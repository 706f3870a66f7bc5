"""`extraction_config`: what is taken out of an answer."""

from typing import Any, Literal

from elexirion.pipelines.model import Model, Positive
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

ExtractionFormat = Literal["text", "json", "structured", "summary", "markdown"]
PostProcessing = Literal[
    "trim",
    "validate",
    "extract_code_blocks",
    "extract_recommendations",
    "extract_links",
    "extract_key_points",
    "format_markdown",
    "generate_summary",
]


class ExtractionConfig(Model, frozen=True):
    """The form of the extracted value, and what is done with the answer on the way."""

    format: ExtractionFormat | None = None
    """Form of the value; without it `json` where there is a `schema`, else `text`."""
    output_format: ExtractionFormat | None = None
    """Another name of `format`."""
    post_processing: tuple[PostProcessing, ...] = ()
    """What is done with the answer, in this order."""
    max_summary_length: Positive = 500
    """Longest summary, in characters."""
    include_metadata: bool = False
    """Whether counts, model and stop reason come with the value."""
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema that the extracted value must satisfy."""

    @model_serializer(mode="wrap")
    def _by_its_name_in_files(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        return {"schema" if key == "schema_" else key: value for key, value in written.items()}

    def form_with(self, schema: dict[str, Any] | None) -> ExtractionFormat:
        """The format that holds where the value has to satisfy this schema."""
        return self.format or self.output_format or ("text" if schema is None else "json")
