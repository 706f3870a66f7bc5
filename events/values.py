"""A value in a record: inline, or a reference to the `payloads` topic where it is too large."""

from typing import Annotated, Any, Literal, TypeAlias

from elexirion.events.record_model import RecordModel
from pydantic import Field


class Inline(RecordModel):
    """The value itself, any JSON."""

    kind: Literal["inline"] = "inline"
    value: Any = None


class Stored(RecordModel):
    """Where the canonical JSON of the value lies: `parts` records of `payloads`, the first at `offset`."""

    kind: Literal["stored"] = "stored"
    sha256: str
    size: int = Field(ge=0, description="Bytes of the canonical JSON.")
    parts: int = Field(ge=1)
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


Value: TypeAlias = Annotated[Inline | Stored, Field(discriminator="kind")]
