"""The operations of `file_ops` by their names."""

from typing import Any, assert_never

from elexirion.agents.files import contents, copying, inspection, lines
from elexirion.agents.files.request import Task


def performed(task: Task) -> Any:
    """The result of the operation; raises FileRefused or WorkspaceRefused, and GivenUp when nobody waits for it."""
    match task.request.operation:
        case "copy":
            return copying.copy(task)
        case "move":
            return copying.move(task)
        case "delete":
            return copying.delete(task)
        case "stream_copy":
            return copying.stream_copy(task)
        case "validate":
            return inspection.validate(task)
        case "list":
            return inspection.listed(task)
        case "read":
            return contents.read(task)
        case "write":
            return contents.write(task)
        case "convert":
            return contents.convert(task)
        case "stream_process":
            return lines.process(task)
        case _:
            assert_never(task.request.operation)
