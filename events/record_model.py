"""How every contract model behaves: frozen, tolerant of fields a newer writer added."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class RecordModel(BaseModel):
    """A frozen value on the wire. Unknown fields are ignored, so that an old reader survives a new writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


def later_field(default: Any = None, *, description: str | None = None) -> Any:
    """A field that its type got after its first golden file was written: on the wire only where it says something."""
    return Field(default, description=description, exclude_if=lambda value: value == default)
