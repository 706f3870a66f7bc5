"""Files as text."""

from pathlib import Path

from elexirion.agents.tools.tool import ToolFailed
from elexirion.agents.worker.workspace import Workspace

_LOOKED_AT = 8192


def is_binary(content: bytes) -> bool:
    """Whether it is no text: text holds no NUL."""
    return b"\0" in content[:_LOOKED_AT]


def read_text(workspace: Workspace, path: str | Path) -> str:
    """The text of a file, line ends as they are; raises ToolFailed and WorkspaceRefused."""
    content = workspace.read_bytes(path)
    if is_binary(content):
        raise ToolFailed(f"`{path}` is a binary file of {len(content)} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ToolFailed(f"`{path}` is not text in UTF-8 (byte {error.start})") from error
