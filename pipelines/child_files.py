"""The files that steps of the type `pipeline` name, as far as the file itself says which."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildFile:
    """A file that a step runs, where that is said (line and column count from 1), and what the child gets."""

    file: str
    step: str
    line: int
    column: int
    key_path: str
    inputs: frozenset[str]
    """Names of the inputs that the step gives."""
    inherits: bool
    """Whether the child gets the names of its parent as well."""
    max_depth: int
    """How many pipelines may run inside one another."""
