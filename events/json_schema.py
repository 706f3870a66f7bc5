"""JSON Schema of every record, generated from the models.

`python -m elexirion.events.json_schema [FILE]` writes it; the checked-in copy is the default.
"""

import json
import sys
from pathlib import Path
from typing import Any

from elexirion.events import catalog
from pydantic.json_schema import models_json_schema

_ENVELOPE: dict[str, Any] = {
    "id": {"type": "string", "minLength": 1, "description": "Unique id; sending again keeps it."},
    "run_id": {"type": "string", "minLength": 1, "description": "The run this belongs to; also the key."},
    "at": {"type": "string", "format": "date-time", "description": "When it was written, UTC."},
    "seq": {"type": "integer", "minimum": 1, "description": "Number of a decision within its run."},
    "prev": {"type": "string", "description": "Id of the decision before it."},
    "causation_id": {"type": "string", "description": "Id of the record that led to this one."},
    "correlation_id": {"type": "string", "description": "Id shared by all that follows from one command."},
    "offline": {"type": "boolean", "description": "Made without a network."},
}

CHECKED_IN = Path("docs/schema/records.schema.json")


def record_schemas() -> dict[str, Any]:
    """One JSON Schema document (draft 2020-12): `oneOf` all record types, each under `$defs`."""
    inputs = [(entry.model, "validation") for entry in catalog.ALL]
    references, definitions = models_json_schema(inputs, ref_template="#/$defs/{model}")  # type: ignore[arg-type]  # pydantic wants its Literal mode type
    defs: dict[str, Any] = dict(definitions.get("$defs", {}))
    for entry in catalog.ALL:
        defs[f"{entry.name}.record"] = _record(entry, references[(entry.model, "validation")])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Elexirion records",
        "oneOf": [{"$ref": f"#/$defs/{entry.name}.record"} for entry in catalog.ALL],
        "$defs": defs,
    }


def _record(entry: catalog.RecordType, reference: Any) -> dict[str, Any]:
    required = ["type", "id", "run_id", "data"]
    if entry.family != "commands":
        required += ["version", "at"]
    if entry.name in catalog.DECISION_NAMES:
        required.append("seq")
    return {
        "type": "object",
        "description": entry.model.__doc__,
        "properties": {
            "type": {"const": entry.name},
            "version": {"const": entry.version},
            **_ENVELOPE,
            "data": reference,
        },
        "required": required,
    }


def schema_text() -> str:
    """The schema as it stands in its file."""
    return json.dumps(record_schemas(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKED_IN
    target.write_text(schema_text(), encoding="utf-8")
