"""Every setting of a process by the name of its environment variable, for pages and examples that list them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elexirion.agents.settings import Settings
from elexirion.console.log_output import LogSettings
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings


@dataclass(frozen=True, slots=True)
class Setting:
    """`variable` is what the environment calls it, `default` its value as it would be written there ("": unset)."""

    variable: str
    default: str
    description: str
    secret: bool


def all_settings() -> list[Setting]:
    """What a deployment fills in first, then the rest in the order of the models."""
    found = [*settings_of(Settings), *settings_of(LogSettings)]
    return sorted(found, key=lambda setting: not setting.secret)


def settings_of(model: type[BaseSettings]) -> Iterator[Setting]:
    """The settings of one model, in its order."""
    prefix = model.model_config.get("env_prefix", "")
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        variable = str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{prefix}{name.upper()}"
        assert field.description, f"{variable} has no description"
        default = _written(field.get_default(call_default_factory=True))
        yield Setting(variable, default, field.description, _is_secret(field))


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in getattr(field.annotation, "__args__", ()) or field.annotation is SecretStr


def _written(default: Any) -> str:
    if default is None:
        return ""
    return default if isinstance(default, str) else json.dumps(default, default=str)
