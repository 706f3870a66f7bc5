"""The tables of settings, made of the settings themselves: `python -m elexirion.console.settings_page`.

It writes docs/settings.md, and in README.md what stands between the two marks, below the working directory.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from elexirion.console.broker.settings import BrokerSettings
from elexirion.console.setting_list import Setting, all_settings, settings_of

PAGE, README = Path("docs/settings.md"), Path("README.md")
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
FIRST = (
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "ELEXIRION_OPENAI_BASE_URL",
    "ELEXIRION_KAFKA",
    "ELEXIRION_TOPIC_PREFIX",
    "ELEXIRION_HOME",
    "ELEXIRION_CLAUDE_SLOTS",
    "ELEXIRION_LEASE_S",
    "ELEXIRION_FILE_ROOTS",
    "ELEXIRION_HTTP_PORT",
)
"""The ten that most people need, which README shows."""
HEAD = """\
# Settings

<!-- Written by `python -m elexirion.console.settings_page`: change the settings instead. -->

Each is an environment variable, or a line of a file `.env` in the folder where a command is started; the environment
wins, and `ELEXIRION_HOME` is read from there alone. Lists and mappings are written as JSON. A wrong value ends the
command with a message that names it. `.env.example` holds the same list, ready to be filled in.
"""
OF_BROKER = """\
## The embedded broker

These are read by `elexirion broker start`, and by `run` and `dev` where they start a broker; the environment alone has
them.
"""
CACHE = Setting("ELEXIRION_CACHE", "", "Folder of fetched jars; unset: the user's cache folder.", secret=False)


def page() -> str:
    """docs/settings.md."""
    return "\n".join([HEAD, _table(all_settings()), OF_BROKER, _table([*settings_of(BrokerSettings), CACHE])])


def readme(text: str) -> str:
    """README.md with the table of today; raises ValueError where the marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md has no {BEGIN} … {END}")
    by_name = {setting.variable: setting for setting in all_settings()}
    return f"{before}{BEGIN}\n{_table(by_name[name] for name in FIRST)}{END}{after}"


def _table(settings: Iterable[Setting]) -> str:
    rows = [f"| `{one.variable}` | {_code(one.default)} | {one.description.replace('|', '/')} |" for one in settings]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows, ""])


def _code(value: str) -> str:
    return f"`{value}`" if value else "-"


if __name__ == "__main__":
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    (root / PAGE).write_text(page(), encoding="utf-8")
    text = (root / README).read_text(encoding="utf-8")
    (root / README).write_text(readme(text), encoding="utf-8")
