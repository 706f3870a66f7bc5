"""The plan of a run: what `decide` needs to know of its pipeline, and nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events.step import Lane
from elexirion.pipelines.fallback import Candidate

CRASHES_TO_POISON = 3
"""Workers that one step may take along; with the last of them it fails."""


@dataclass(frozen=True, slots=True)
class Items:
    """The same leaf for each item. `leaves` holds one plan for all items, or one for each."""

    leaves: "tuple[StepPlan, ...]"
    most: int = 1

    def leaf(self, index: int) -> "StepPlan":
        """The plan of the index-th item."""
        return self.leaves[min(index, len(self.leaves) - 1)]


@dataclass(frozen=True, slots=True)
class Loop:
    """A block for each item, `most` turns at a time; `skips` and `breaks` say whether there are such conditions."""

    steps: "tuple[StepPlan, ...]"
    most: int = 1
    stops_at_error: bool = True
    skips: bool = False
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """A block while a condition holds, bounded in turns and, at the start of each, in seconds."""

    steps: "tuple[StepPlan, ...]"
    most_turns: int = 100
    most_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One block of several, by key."""

    blocks: "Mapping[str, tuple[StepPlan, ...]]"


Within: TypeAlias = Items | Loop | Repeat | Branch


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step. `lane` is None where the orchestrator evaluates it itself; `timeout_s` is per attempt.

    `within` is what a step with steps inside holds; `on_timeout` what an unanswered approval comes to;
    `most_crashes` the number of workers it took along with which it fails (None: never).
    """

    name: str
    step_type: str
    lane: Lane | None
    needs: tuple[str, ...] = ()
    timeout_s: float | None = 300.0
    retry: RetryRule = field(default_factory=RetryRule)
    fallback: tuple[Candidate, ...] = ()
    continue_on_error: bool = False
    within: Within | None = None
    on_timeout: Literal["approve", "reject", "fail"] = "fail"
    most_crashes: int | None = CRASHES_TO_POISON


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; None is without limit. `seconds` count from the start of the run.

    With `audit` a limit that is passed is noted once, and nothing is held up.
    """

    steps: int | None = None
    cost_usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    audit: bool = False


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The steps in the order of the file, those for errors, and what the run may use.

    `adds_to` names the shared session that a step adds its turns to, by the name of the step.
    """

    steps: tuple[StepPlan, ...]
    on_error: tuple[StepPlan, ...] = ()
    limits: Limits = NO_LIMITS
    adds_to: Mapping[str, str] = field(default_factory=dict)
