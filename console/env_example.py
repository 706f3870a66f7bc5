"""`.env.example`, made of the settings themselves: `python -m elexirion.console.env_example [FILE]` writes it.

Every setting stands there with its description and default, commented out.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elexirion.agents.settings import Settings
from elexirion.console.log_output import LogSettings
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

CHECKED_IN = Path(".env.example")
HEAD = """\
# Settings of docker-compose.yml and of commands started in this folder. Copy to .env and keep it to yourself; remove
# the # where you fill in. What stands behind a = is the default.
"""


def example() -> str:
    """The whole file: what a deployment fills in first, then the rest in the order of the settings."""
    keys = [field for field in _fields(Settings) if _is_secret(field[1])]
    rest = [field for field in (*_fields(Settings), *_fields(LogSettings)) if not _is_secret(field[1])]
    blocks = [_block(name, field) for name, field in (*keys, *rest)]
    return "\n".join([HEAD, "# Keys of the providers. Without a key only `--offline` runs are accepted.\n", *blocks])


def _fields(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        yield (str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{prefix}{name.upper()}"), field


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in getattr(field.annotation, "__args__", ()) or field.annotation is SecretStr


def _block(name: str, field: FieldInfo) -> str:
    assert field.description, f"{name} has no description"
    about = textwrap.fill(field.description, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"{about}\n# {name}={_shown(field.get_default(call_default_factory=True))}\n"


def _shown(default: Any) -> str:
    if default is None:
        return ""
    return default if isinstance(default, str) else json.dumps(default, default=str)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKED_IN
    target.write_text(example(), encoding="utf-8")
