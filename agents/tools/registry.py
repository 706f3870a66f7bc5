"""Which tools there are, and which of them a step offers."""

from collections.abc import Iterable, Mapping

from elexirion.agents.settings import Settings
from elexirion.agents.tools.bash import bash
from elexirion.agents.tools.edit import EDIT
from elexirion.agents.tools.glob import GLOB
from elexirion.agents.tools.grep import GREP
from elexirion.agents.tools.ls import LS
from elexirion.agents.tools.read import READ
from elexirion.agents.tools.tool import Tool
from elexirion.agents.tools.write import WRITE

ALIASES = {"search": "Grep"}
ALL = "*"


def toolbox(settings: Settings) -> dict[str, Tool]:
    """Every tool by its name. Bash is among them where it is not enabled too: it answers so."""
    shell = bash(allowed=settings.allow_bash, timeout_s=settings.bash_timeout_s)
    tools: tuple[Tool, ...] = (READ, WRITE, EDIT, GLOB, GREP, LS, shell)
    return {tool.name: tool for tool in tools}


def offered(tools: Mapping[str, Tool], allowed: Iterable[str], disallowed: Iterable[str]) -> dict[str, Tool]:
    """The tools that are allowed (`*` for all enabled ones) and not disallowed. Names that no tool has are left out."""
    wanted, refused = set(allowed), set(disallowed)
    if ALL in refused:
        return {}
    named_ones = {named(tools, name) for name in wanted}
    excluded = {named(tools, name) for name in refused}
    return {
        name: tool
        for name, tool in tools.items()
        if (name in named_ones or (ALL in wanted and tool.enabled)) and name not in excluded
    }


def named(tools: Mapping[str, Tool], name: str) -> str | None:
    """The tool's own spelling of `name`; None where no tool has it."""
    folded = name.strip().casefold()
    own = ALIASES.get(folded, folded).casefold()
    return next((one for one in tools if one.casefold() == own), None)
