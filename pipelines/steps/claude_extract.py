"""`claude_extract`: one conversation with a Claude model, and a value taken out of its answer."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines.extraction import ExtractionConfig
from elexirion.pipelines.steps.claude import PromptedClaudeCall
from elexirion.pipelines.steps.step import Rendering


class ClaudeExtractStep(PromptedClaudeCall, frozen=True):
    """Asks a Claude model; the result is what `extraction_config` takes out of the answer."""

    result_doc: ClassVar[str] = (
        "The extracted value: data for the formats json and structured, text for the others. An answer that is no "
        "JSON under the format json gives `content` and `format`. With `include_metadata` a mapping with the value "
        "and counts."
    )

    type: Literal["claude_extract"]
    extraction_config: ExtractionConfig = ExtractionConfig()
    """What is taken out of the answer."""

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        wanted = self.extraction_config
        schema = self.output_schema if wanted.schema_ is None else wanted.schema_
        form = wanted.form_with(schema)
        # A schema for data goes to the model as well; one for a text holds for the text alone.
        for_model = schema if form in ("json", "structured") else None
        # The form of the value is decided here, so the answer stays as the model wrote it.
        as_written = {key: value for key, value in options.items() if key != "output_format"}
        return {
            **super().config(as_written, rendering),
            "output_schema": for_model,
            "extraction": {
                "format": form,
                "post_processing": list(wanted.post_processing),
                "max_summary_length": wanted.max_summary_length,
                "include_metadata": wanted.include_metadata,
                "schema": schema,
            },
        }
