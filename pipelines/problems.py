"""What is wrong with a pipeline file: values that say where and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in a pipeline file; line and column count from 1."""

    severity: Literal["error", "warning"]
    message: str
    hint: str | None
    file: str
    line: int
    column: int
    key_path: str = ""

    def __str__(self) -> str:
        where = f" (at {self.key_path})" if self.key_path else ""
        text = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}{where}"
        return f"{text}. Hint: {self.hint}" if self.hint else text


class PipelineInvalid(Exception):  # noqa: N818 - what happened, like every event
    """A pipeline that cannot be used, with every problem found, warnings included."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.line, p.column, p.key_path, p.message)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def written(path: KeyPath) -> str:
    """A key path as people read it: `steps[1].prompt`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
