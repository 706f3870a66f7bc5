"""Where each key path stands in the text it was read from."""

from collections.abc import Mapping
from dataclasses import dataclass

from elexirion.pipelines.problems import KeyPath


@dataclass(frozen=True, slots=True)
class Mark:
    """A position, counted from 1; `content_line` is where the text of a scalar begins."""

    line: int
    column: int
    content_line: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Positions by key path; a path that is not there has the position of its nearest parent."""

    by_path: Mapping[KeyPath, Mark]

    def find(self, path: KeyPath) -> Mark:
        for length in range(len(path), -1, -1):
            mark = self.by_path.get(path[:length])
            if mark is not None:
                return mark
        return Mark(1, 1, 1)
