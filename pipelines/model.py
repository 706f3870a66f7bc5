"""The base of all models of the language, and the record of which model read which mapping."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field, ValidationInfo, model_validator
from pydantic.fields import FieldInfo

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
    copies: dict[int, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    """Completed mappings by their id, each with the one of the file; kept, so that no id is used twice."""

    def completed(self, original: dict[str, Any], completed: dict[str, Any]) -> None:
        """What a model reads in `completed` is a reading of `original`."""
        self.copies[id(completed)] = (completed, original)

    def note(self, mapping: dict[str, Any], model: type["Model"]) -> None:
        original = self.copies[id(mapping)][1] if id(mapping) in self.copies else mapping
        self.by_id[id(original)] = model

    def model_of(self, mapping: dict[str, Any]) -> type["Model"] | None:
        return self.by_id.get(id(mapping))


class Model(BaseModel, frozen=True, extra="ignore", use_attribute_docstrings=True):
    """A frozen part of a pipeline; keys it does not know are warned of by the loader."""

    @model_validator(mode="before")
    @classmethod
    def _record_reading(cls, data: Any, info: ValidationInfo) -> Any:
        if isinstance(info.context, Readings) and isinstance(data, dict):
            info.context.note(data, cls)
        return data

    @classmethod
    def known_keys(cls) -> frozenset[str]:
        """The keys as files write them: an alias stands instead of the field's own name."""
        return frozenset(key for name, info in cls.model_fields.items() for key in _spellings(name, info))


def _spellings(name: str, info: FieldInfo) -> tuple[str, ...]:
    match info.validation_alias:
        case AliasChoices(choices=choices):
            return tuple(choice for choice in choices if isinstance(choice, str))
        case str() as alias:
            return (alias,)
        case _:
            return (name,)
