"""The tools of a step, by its options, and the folders in which they work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import StepError
from elexirion.agents.tools.registry import offered, toolbox
from elexirion.agents.tools.tool import Tool
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from elexirion.events.failure import Failure


@dataclass(frozen=True, slots=True)
class Toolkit:
    """All tools of this worker."""

    settings: Settings
    tools: Mapping[str, Tool]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The tools as the settings enable them."""
        return cls(settings, toolbox(settings))

    def offered(self, options: Mapping[str, Any]) -> dict[str, Tool]:
        """Those in `allowed_tools` and not in `disallowed_tools`; none where nothing is allowed."""
        return offered(self.tools, options.get("allowed_tools") or (), options.get("disallowed_tools") or ())

    def workspace(self, config: Mapping[str, Any]) -> Workspace:
        """The run's folders with `cwd` of the options as the place where paths start; raises StepError."""
        cwd = (config.get("options") or {}).get("cwd")
        try:
            return Workspace.of(config, self.settings).at(None if cwd is None else str(cwd))
        except WorkspaceRefused as error:
            raise StepError(Failure(kind="step_error", message=f"the tools have no folder: {error}")) from error
