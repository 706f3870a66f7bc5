"""file_ops: files copied, moved, checked, listed, converted, read and written below the folders of the run."""

from dataclasses import dataclass
from typing import Any

from elexirion.agents.files.perform import performed
from elexirion.agents.files.request import FileRefused, Task
from elexirion.agents.settings import Settings
from elexirion.agents.steps.in_thread import Stop, in_thread
from elexirion.agents.steps.port import Outcome, StepError, StepIO, StepRunner, Work
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from elexirion.events.failure import Failure


def runner(settings: Settings) -> StepRunner:
    """The runner of `file_ops` steps."""
    return FileOps(settings)


@dataclass(frozen=True, slots=True)
class FileOps:
    """Runs the rendered config: the keys of the step, and `workspace`."""

    settings: Settings

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        """The result of the operation; raises StepError."""

        def perform(stop: Stop) -> Any:
            # Relative paths start in the workspace, where the files of the tools are.
            return performed(Task.of(work.config, Workspace.of(work.config, self.settings).at(), stop))

        operation = work.config.get("operation")
        try:
            return Outcome(await in_thread(perform))
        except (FileRefused, WorkspaceRefused) as refused:
            raise StepError(Failure(kind="step_error", message=f"file_ops {operation}: {refused}")) from None
        except OSError as error:
            said = f"file_ops {operation}: {error.strerror or type(error).__name__}"
            raise StepError(Failure(kind="step_error", message=said)) from None
