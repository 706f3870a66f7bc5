"""The base of all models of the language, and the record of which model read which mapping."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, model_validator

Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Positive = Annotated[int, Field(strict=True, gt=0)]
NotNegative = Annotated[int, Field(strict=True, ge=0)]
Text = Annotated[str, Field(min_length=1)]


@dataclass(slots=True)
class Readings:
    """Given as validation context: which model was tried on which mapping of the file.

    Keys that a model does not know are found with it, also in a file that fails elsewhere.
    """

    by_id: dict[int, type["Model"]] = field(default_factory=dict)

    def model_of(self, mapping: dict[str, Any]) -> type["Model"] | None:
        return self.by_id.get(id(mapping))


class Model(BaseModel, frozen=True, extra="ignore", use_attribute_docstrings=True):
    """A frozen part of a pipeline; keys it does not know are warned of by the loader."""

    @model_validator(mode="before")
    @classmethod
    def _record_reading(cls, data: Any, info: ValidationInfo) -> Any:
        if isinstance(info.context, Readings) and isinstance(data, dict):
            info.context.by_id[id(data)] = cls
        return data

    @classmethod
    def known_keys(cls) -> frozenset[str]:
        names = set(cls.model_fields)
        names.update(info.alias for info in cls.model_fields.values() if info.alias)
        return frozenset(names)
