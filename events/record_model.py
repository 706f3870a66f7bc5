"""How every contract model behaves: frozen, tolerant of fields a newer writer added."""

from pydantic import BaseModel, ConfigDict


class RecordModel(BaseModel):
    """A frozen value on the wire. Unknown fields are ignored, so that an old reader survives a new writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")
