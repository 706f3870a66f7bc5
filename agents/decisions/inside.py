"""Steps that hold steps: which of those inside may go on, and how the whole ends. One function a shape."""

from collections.abc import Callable, Iterator
from typing import TypeAlias, assert_never

from elexirion.agents.decisions import steps
from elexirion.agents.decisions.blocks import Completed, Failed, block_end, final_failure, settled
from elexirion.agents.decisions.view import View
from elexirion.agents.evaluated import Answer, Holds, Joined, NotPossible
from elexirion.agents.plan import Branch, Items, Loop, Repeat, StepPlan
from elexirion.agents.questions import AboutBreak, AboutResult, AboutTurn
from elexirion.events import step
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.projections.paths import step_at
from elexirion.projections.step_state import Inside, StepState

InBlock: TypeAlias = Callable[[View, tuple[StepPlan, ...], str, bool], Iterator[RecordModel]]
"""Decides about the steps of a block, given its path's prefix and whether something new may start."""


def inside(view: View, planned: StepPlan, known: StepState, go: bool, in_block: InBlock) -> Iterator[RecordModel]:
    """What can be decided inside of an expanded step; with `go` false nothing new starts in it."""
    assert known.inside is not None
    match planned.within:
        case Items():
            yield from _items(view, planned, planned.within, known, known.inside, go)
        case Loop():
            yield from _loop(view, planned.within, known, known.inside, go, in_block)
        case Repeat():
            yield from _repeat(view, planned.within, known, known.inside, go, in_block)
        case Branch():
            yield from _branch(view, planned.within, known, known.inside, go, in_block)
        case None:
            raise ValueError(f"step {known.name} was expanded, but its plan holds no steps")
        case _:
            assert_never(planned.within)


# Items --------------------------------------------------------------------------------------------------


def _items(
    view: View, planned: StepPlan, items: Items, known: StepState, inside: Inside, go: bool
) -> Iterator[RecordModel]:
    each = [(items.leaf(index), _at(view, f"{known.name}/{index}")) for index in range(inside.count or 0)]
    failed = next((Failed(item.name, failure) for leaf, item in each if (failure := final_failure(leaf, item))), None)
    held_up = failed is not None and not planned.continue_on_error
    running = sum(item.status == "open" for _, item in each)
    if go and not held_up:
        yield from _next_items(view, each, items.most - running)
    if held_up and failed and not running:
        yield _because_of(known, failed)
    elif all(settled(leaf, item) or final_failure(leaf, item) for leaf, item in each):
        yield from _conclude(view, known, "completed")


def _next_items(view: View, each: list[tuple[StepPlan, StepState]], free: int) -> Iterator[RecordModel]:
    for leaf, item in each:
        if item.status == "failed":
            yield from steps.retry(view, leaf, item)
        elif item.status in ("pending", "waiting") and free > 0:
            if not (item.due_at and item.due_at > view.facts.now):
                free -= 1
            yield from steps.start(view, leaf, item)


# Loops --------------------------------------------------------------------------------------------------


def _loop(
    view: View, loop: Loop, known: StepState, inside: Inside, go: bool, in_block: InBlock
) -> Iterator[RecordModel]:
    for index, ended in inside.turns.items():
        if ended is None:
            yield from _turn(view, loop.steps, known, index, go, in_block, breaks=loop.breaks)
    ends = list(inside.turns.values())
    stopped = "break" in ends or (loop.stops_at_error and "failed" in ends)
    more = not stopped and len(ends) < (inside.count or 0)
    if more and go and ends.count(None) < loop.most:
        yield from _next_turn(view, known, len(ends), asks=loop.skips)
    elif not more and None not in ends:
        yield from _loop_end(view, loop, known, inside)


def _loop_end(view: View, loop: Loop, known: StepState, inside: Inside) -> Iterator[RecordModel]:
    failure = next((inside.failures[index] for index in sorted(inside.failures)), None)
    if failure and loop.stops_at_error:
        yield _because_of(known, Failed(known.name, failure))
    else:
        yield from _conclude(view, known, "break" if "break" in inside.turns.values() else "completed")


def _next_turn(view: View, known: StepState, index: int, *, asks: bool) -> Iterator[RecordModel]:
    answer: Answer | None = view.answer(AboutTurn(known.name, index)) if asks else Holds(True)
    match answer:
        case Holds(value=True):
            yield step.IterationStarted(step=known.name, index=index)
        case Holds():
            yield step.IterationEnded(step=known.name, index=index, ended_because="skipped")
        case NotPossible():
            yield step.StepRefused(step=known.name, failure=answer.failure)
        case _:
            return


def _turn(
    view: View, block: tuple[StepPlan, ...], known: StepState, index: int, go: bool, in_block: InBlock, *, breaks: bool
) -> Iterator[RecordModel]:
    prefix = f"{known.name}/{index}/"
    end = block_end(view.state, block, prefix)
    match end:
        case None:
            yield from in_block(view, block, prefix, go)
        case Failed():
            failure = _named(end)
            yield step.IterationEnded(step=known.name, index=index, ended_because="failed", failure=failure)
        case Completed():
            yield from _turn_end(view, known, index, breaks)
        case _:
            assert_never(end)


def _turn_end(view: View, known: StepState, index: int, breaks: bool) -> Iterator[RecordModel]:
    answer: Answer | None = view.answer(AboutBreak(known.name, index)) if breaks else Holds(False)
    match answer:
        case Holds():
            because = "break" if answer.value else "completed"
            yield step.IterationEnded(step=known.name, index=index, ended_because=because)
        case NotPossible():
            yield step.IterationEnded(step=known.name, index=index, ended_because="failed", failure=answer.failure)
        case _:
            return


def _repeat(
    view: View, repeat: Repeat, known: StepState, inside: Inside, go: bool, in_block: InBlock
) -> Iterator[RecordModel]:
    index = len(inside.turns)
    if index and inside.turns[index - 1] is None:
        yield from _turn(view, repeat.steps, known, index - 1, go, in_block, breaks=False)
    elif inside.failures:
        yield _because_of(known, Failed(known.name, inside.failures[index - 1]))
    elif index >= repeat.most_turns:
        yield from _conclude(view, known, "max_iterations")
    elif _too_long(view, repeat, known):
        yield from _conclude(view, known, "timeout")
    elif go:
        yield from _while_it_holds(view, known, index)


def _too_long(view: View, repeat: Repeat, known: StepState) -> bool:
    if repeat.most_seconds is None or known.started_at is None:
        return False
    return (view.facts.now - known.started_at).total_seconds() >= repeat.most_seconds


def _while_it_holds(view: View, known: StepState, index: int) -> Iterator[RecordModel]:
    answer = view.answer(AboutTurn(known.name, index))
    if isinstance(answer, Holds) and not answer.value:
        yield from _conclude(view, known, "condition")
    elif isinstance(answer, Holds):
        yield step.IterationStarted(step=known.name, index=index)
    elif isinstance(answer, NotPossible):
        yield step.StepRefused(step=known.name, failure=answer.failure)


# Branches -----------------------------------------------------------------------------------------------


def _branch(
    view: View, branch: Branch, known: StepState, inside: Inside, go: bool, in_block: InBlock
) -> Iterator[RecordModel]:
    block = branch.blocks.get(inside.branch or "", ()) if inside.branch is not None else ()
    prefix = f"{known.name}/"
    end = block_end(view.state, block, prefix)
    match end:
        case None:
            yield from in_block(view, block, prefix, go)
        case Failed():
            yield _because_of(known, end)
        case Completed():
            yield from _conclude(view, known, "completed")
        case _:
            assert_never(end)


# The end of any -----------------------------------------------------------------------------------------


def _conclude(view: View, known: StepState, because: str) -> Iterator[RecordModel]:
    answer = view.answer(AboutResult(known.name, because))
    if isinstance(answer, Joined):
        yield step.StepConcluded(step=known.name, result=answer.value, ended_because=because)
    elif isinstance(answer, NotPossible):
        yield step.StepRefused(step=known.name, failure=answer.failure)


def _because_of(known: StepState, failed: Failed) -> RecordModel:
    failure = failed.failure if failed.path == known.name else _named(failed)
    return step.StepRefused(step=known.name, failure=failure)


def _named(failed: Failed) -> Failure:
    """The failure of a step inside, saying which; it spends no attempt of the step around it."""
    kind = failed.failure.kind if not failed.failure.transient else "step_error"
    return Failure(kind=kind, message=f"{failed.path}: {failed.failure.message}", status=failed.failure.status)


def _at(view: View, path: str) -> StepState:
    known = step_at(view.state, path)
    assert known is not None, f"no step {path} in run {view.state.run_id}"
    return known
