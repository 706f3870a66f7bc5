"""What a source file says about itself: the functions it defines and what it imports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method; `within` is the class, module or type around it, where that is known."""

    name: str
    line: int
    public: bool
    within: str | None = None
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """A module as the file names it. `parts` are names taken from it, which may be modules themselves."""

    name: str
    line: int
    parts: tuple[str, ...] = ()
    level: int = 0
    """Dots before a relative import of Python."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A source file in short; `modules` are the names by which others import it, where the file says so."""

    functions: tuple[Function, ...] = ()
    imports: tuple[Import, ...] = ()
    modules: tuple[str, ...] = ()
