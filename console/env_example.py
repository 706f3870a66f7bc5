"""`.env.example`, made of the settings themselves: `python -m elexirion.console.env_example [FILE]` writes it.

Every setting stands there with its description and default, commented out.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from elexirion.console.setting_list import Setting, all_settings

CHECKED_IN = Path(".env.example")
HEAD = """\
# Settings of docker-compose.yml and of commands started in this folder. Copy to .env and keep it to yourself; remove
# the # where you fill in. What stands behind a = is the default.
"""
KEYS = "# Keys of the providers. Without a key only `--offline` runs are accepted.\n"


def example() -> str:
    """The whole file: keys first, then the rest."""
    return "\n".join([HEAD, KEYS, *map(_block, all_settings())])


def _block(setting: Setting) -> str:
    about = textwrap.fill(setting.description, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"{about}\n# {setting.variable}={setting.default}\n"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKED_IN
    target.write_text(example(), encoding="utf-8")
