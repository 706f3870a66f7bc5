"""The contract of a tool: a name and a schema that the model sees, and what it does in a workspace."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from pydantic import BaseModel, ConfigDict, ValidationError

MAX_RESULT = 60_000
"""Characters of a tool's answer; what is longer is cut, and says so."""


class ToolFailed(Exception):  # noqa: N818 - what happened, like every event
    """What went wrong, in words that the model can act on; it is the tool's answer, marked as an error."""


class Tool(Protocol):
    """Something a model may use while it answers."""

    @property
    def name(self) -> str:
        """The name by which the model asks for it."""
        ...

    @property
    def description(self) -> str:
        """What it does, said to the model."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        ...

    @property
    def enabled(self) -> bool:
        """Whether it does anything here; one that does not is offered only to those who name it, and says why."""
        ...

    async def run(self, arguments: Mapping[str, Any], workspace: Workspace) -> str:
        """Do it and give the answer, at most MAX_RESULT characters and a note; raises ToolFailed."""
        ...


class Arguments(BaseModel):
    """What a model may say to a tool; anything else is told back to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class TypedTool(Generic[A]):
    """A tool with checked arguments; `act` may raise WorkspaceRefused and ToolFailed."""

    name: str
    description: str
    arguments: type[A]
    act: Callable[[A, Workspace], Awaitable[str]]
    enabled: bool = True

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return self.arguments.model_json_schema()

    async def run(self, arguments: Mapping[str, Any], workspace: Workspace) -> str:
        """Check the arguments and act. See `Tool`."""
        try:
            return bounded(await self.act(self.arguments.model_validate(dict(arguments)), workspace))
        except ValidationError as error:
            raise ToolFailed(_told(error)) from error
        except (WorkspaceRefused, ToolFailed) as error:
            raise ToolFailed(bounded(str(error))) from error


def declared(tool: Tool) -> dict[str, Any]:
    """The tool as a provider call offers it."""
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def bounded(text: str) -> str:
    """The text, cut to MAX_RESULT characters with a note of how many are missing."""
    # Names of files may hold bytes that are no text.
    text = text.encode(errors="replace").decode()
    missing = len(text) - MAX_RESULT
    return text if missing <= 0 else f"{text[:MAX_RESULT]}\n[cut: {missing} more characters]"


def _told(error: ValidationError) -> str:
    wrong = (f"{'.'.join(str(part) for part in one['loc']) or 'arguments'}: {one['msg']}" for one in error.errors())
    return "the arguments do not fit: " + "; ".join(wrong)
