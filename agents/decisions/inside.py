"""Steps that hold steps: which of those inside may go on, and how the whole ends. One function a shape."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TypeAlias, assert_never

from elexirion.agents.decisions import steps
from elexirion.agents.decisions.blocks import Completed, Failed, Standing, block_end, final_failure, running, standing
from elexirion.agents.decisions.view import View
from elexirion.agents.evaluated import Answer, Holds, Joined, NotPossible
from elexirion.agents.plan import Branch, Items, Loop, Repeat, StepPlan
from elexirion.agents.questions import AboutBreak, AboutResult, AboutTurn
from elexirion.events import step
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.projections.paths import step_at
from elexirion.projections.step_state import Inside, StepState

InBlock: TypeAlias = Callable[[View, tuple[StepPlan, ...], str, Standing, bool], Iterator[RecordModel]]
"""Decides about the steps of a block, given its path's prefix, how it stands, and whether something new may start."""


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
    open_items, resting = _begun_items(view, items, known)
    given_up = [Failed(item.name, failure) for leaf, item in resting if (failure := _holds_up(leaf, item))]
    held_up = bool(given_up) and not planned.continue_on_error
    if go and not held_up:
        yield from _next_items(view, items, known, resting, items.most - open_items)
    if open_items:
        return
    if held_up:
        yield _because_of(known, given_up[0])
    elif inside.begun == (inside.count or 0) and all(final_failure(leaf, item) for leaf, item in resting):
        yield from _conclude(view, known, "completed")


def _begun_items(view: View, items: Items, known: StepState) -> tuple[int, list[tuple[StepPlan, StepState]]]:
    """How many items run, and those that began, do not run and are not done, in the order of the items.

    Those that are done are never looked at again: there may be thousands of them.
    """
    prefix = f"{known.name}/"
    found = [view.state.steps[path] for path in view.state.live if path.startswith(prefix)]
    resting = {int(item.name.removeprefix(prefix)): item for item in found if item.status != "open"}
    return len(found) - len(resting), [(items.leaf(index), resting[index]) for index in sorted(resting)]


def _holds_up(leaf: StepPlan, item: StepState) -> Failure | None:
    return None if leaf.continue_on_error else final_failure(leaf, item)


def _next_items(
    view: View, items: Items, known: StepState, resting: list[tuple[StepPlan, StepState]], free: int
) -> Iterator[RecordModel]:
    for leaf, item in resting:
        if item.status == "failed":
            yield from steps.retry(view, leaf, item)
    ready = [(leaf, item) for leaf, item in resting if item.status in ("pending", "waiting") and not _early(view, item)]
    for leaf, item in islice(chain(ready, _fresh_items(view, items, known)), max(free, 0)):
        yield from steps.start(view, leaf, item)


def _early(view: View, item: StepState) -> bool:
    return item.due_at is not None and item.due_at > view.facts.now


def _fresh_items(view: View, items: Items, known: StepState) -> Iterator[tuple[StepPlan, StepState]]:
    assert known.inside is not None
    for index in range(known.inside.begun, known.inside.count or 0):
        path = f"{known.name}/{index}"
        if path not in view.state.steps:
            yield items.leaf(index), _at(view, path)


# Loops --------------------------------------------------------------------------------------------------


def _loop(
    view: View, loop: Loop, known: StepState, inside: Inside, go: bool, in_block: InBlock
) -> Iterator[RecordModel]:
    broke, failed = _ends(loop, inside)
    last = inside.count or 0 if broke is None else broke
    opened = [index for index, ended in inside.turns.items() if ended is None]
    for index in opened:  # after the one that ended the loop nothing new starts
        goes_on = go and failed is None and index < last
        yield from _turn(view, loop.steps, known, index, goes_on, in_block, breaks=loop.breaks)
    if failed is not None:
        if not running(view.state, known.name):
            yield _because_of(known, Failed(known.name, inside.failures[failed]))
    elif broke is not None:
        if not any(index < broke for index in opened) and not running(view.state, known.name):
            yield from _conclude(view, known, "break")
    elif len(inside.turns) < last:
        if go and len(opened) < loop.most:
            yield from _next_turn(view, known, len(inside.turns), asks=loop.skips)
    elif not opened:
        yield from _conclude(view, known, "completed")


def _ends(loop: Loop, inside: Inside) -> tuple[int | None, int | None]:
    """The first turn that broke the loop off, and the first before it that makes it fail.

    First is by the order of the items: a turn that was faster than those before it does not decide.
    """
    broke = min((index for index, because in inside.turns.items() if because == "break"), default=None)
    failing = inside.failures if loop.stops_at_error else ()
    return broke, min((index for index in failing if broke is None or index < broke), default=None)


def _next_turn(view: View, known: StepState, index: int, *, asks: bool) -> Iterator[RecordModel]:
    answer: Answer | None = view.answer(AboutTurn(known.name, index)) if asks else Holds(True)
    match answer:
        case Holds(value=True):
            yield step.IterationStarted(step=known.name, index=index)
        case Holds():
            yield step.IterationEnded(step=known.name, index=index, ended_because="skipped")
        case NotPossible():
            yield step.IterationEnded(step=known.name, index=index, ended_because="failed", failure=answer.failure)
        case _:
            return


def _turn(
    view: View, block: tuple[StepPlan, ...], known: StepState, index: int, go: bool, in_block: InBlock, *, breaks: bool
) -> Iterator[RecordModel]:
    prefix = f"{known.name}/{index}/"
    stands = standing(view.state, block, prefix)
    end = block_end(view.state, block, prefix, stands)
    match end:
        case None:
            yield from in_block(view, block, prefix, stands, go)
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
    stands = standing(view.state, block, prefix)
    end = block_end(view.state, block, prefix, stands)
    match end:
        case None:
            yield from in_block(view, block, prefix, stands, go)
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
        yield step.StepConcluded(
            step=known.name, result=answer.value, ended_because=answer.ended_because or because
        )  # fmt: skip
    elif isinstance(answer, NotPossible):
        yield step.StepRefused(step=known.name, failure=answer.failure)


def _because_of(known: StepState, failed: Failed) -> RecordModel:
    failure = failed.failure if failed.path == known.name else _named(failed)
    return step.StepRefused(step=known.name, failure=failure)


def _named(failed: Failed) -> Failure:
    """The failure of a step inside, saying which, the innermost; it spends no attempt of the step around it."""
    kind, message = failed.failure.kind if not failed.failure.transient else "step_error", failed.failure.message
    said = message if message.startswith(f"{failed.path}/") else f"{failed.path}: {message}"
    return Failure(kind=kind, message=said, status=failed.failure.status)


def _at(view: View, path: str) -> StepState:
    known = step_at(view.state, path)
    assert known is not None, f"no step {path} in run {view.state.run_id}"
    return known
