"""What `decide` has to know and cannot compute: each question is evaluated once, outside, and its answer recorded."""

from dataclasses import dataclass
from typing import TypeAlias

from elexirion.events.values import Value


@dataclass(frozen=True, slots=True)
class AboutStep:
    """Condition, templates and files of the step at `path`."""

    path: str


@dataclass(frozen=True, slots=True)
class AboutTurn:
    """Whether the index-th turn of the loop at `path` is wanted."""

    path: str
    index: int


@dataclass(frozen=True, slots=True)
class AboutBreak:
    """Whether the loop at `path` ends after its index-th turn."""

    path: str
    index: int


@dataclass(frozen=True, slots=True)
class AboutResult:
    """The result of the step at `path`, all inside it being over."""

    path: str
    ended_because: str


@dataclass(frozen=True, slots=True)
class AboutChild:
    """The result of the step at `path`, whose child run gave this output."""

    path: str
    output: Value


@dataclass(frozen=True, slots=True)
class AboutOutput:
    """The output of the run, all its steps being over."""


LEADING_ON = (AboutTurn,)
"""Questions whose answer may lead to another one: a loop with no further turn has a result."""

Question: TypeAlias = AboutStep | AboutTurn | AboutBreak | AboutResult | AboutChild | AboutOutput
