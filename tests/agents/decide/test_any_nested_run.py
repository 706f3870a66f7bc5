"""What holds for every pipeline with steps inside of steps, every outcome, and every order of arrival."""

from typing import Any

from elexirion.agents.decide import decide
from elexirion.agents.decisions.view import Lost
from elexirion.agents.plan import StepPlan
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.projections.context import context_of
from elexirion.projections.paths import step_at
from elexirion.projections.run_state import RunState
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.agents.decide.given import planned
from tests.agents.decide.worlds import Fate, Told, World, drive, worlds


def final(state: RunState) -> dict[str, Any]:
    """The context without what an order leaves behind: places in the log, and who ran what when."""
    found = context_of(state)
    metadata = {key: value for key, value in found["metadata"].items() if key not in ("position", "digest")}
    results = {path: {**said, "execution": None} for path, said in found["step_results"].items()}
    return {**found, "metadata": metadata, "step_results": results}


def _setting(name: str, after: str) -> StepPlan:
    return StepPlan(name, "set_variable", None, (after,), None)


TWO_SETTERS = World((planned("a"), planned("b"), _setting("c", "a"), _setting("d", "b")), (), {})
"""Both set the same variable, each when its own step is done."""
CHOICES = st.lists(st.integers(0, 5), max_size=60)
CUTS = st.lists(st.integers(0, 4), max_size=12)
TROUBLES = st.sampled_from([0, 5, 20, 50])
SEEDS = st.integers(0, 10_000)


@settings(max_examples=120, deadline=None)
@given(worlds(tame=True), SEEDS, TROUBLES, CHOICES)
@example(TWO_SETTERS, 0, 0, [])
def test_any_order_of_arrival_gives_the_same_context(world: World, seed: int, trouble: int, order: list[int]) -> None:
    oldest_first, newest_first, any_order = (Told(world, Fate(seed, trouble)) for _ in range(3))
    drive(oldest_first, ())
    drive(newest_first, [-1] * 2_000)
    drive(any_order, order)
    assert oldest_first.state.status == "completed"
    assert final(newest_first.state) == final(oldest_first.state)
    assert final(any_order.state) == final(oldest_first.state)


@settings(max_examples=200, deadline=None)
@given(worlds(), SEEDS, TROUBLES, CHOICES)
def test_every_run_ends_and_nothing_that_is_decided_is_refused(
    world: World, seed: int, trouble: int, choices: list[int]
) -> None:
    log = Told(world, Fate(seed, trouble))
    drive(log, choices)
    kinds = [record.type for record, _ in log.records if record.type in TERMINAL_NAMES]
    assert len(kinds) == 1
    assert not any(log.refusals)
    assert log.state.open_executions() == []
    assert log.state.executions.keys() >= log.state.opened.keys()


@settings(max_examples=120, deadline=None)
@given(worlds(), SEEDS, TROUBLES, CUTS)
def test_from_any_prefix_of_a_batch_a_run_goes_on_to_the_same_end(
    world: World, seed: int, trouble: int, cuts: list[int]
) -> None:
    whole, cut = Told(world, Fate(seed, trouble)), Told(world, Fate(seed, trouble))
    drive(whole, ())
    drive(cut, (), cuts)
    assert final(cut.state) == final(whole.state)


@settings(max_examples=60, deadline=None)
@given(worlds(), SEEDS, TROUBLES, CHOICES, st.data())
def test_what_is_kept_beside_the_steps_agrees_with_them(
    world: World, seed: int, trouble: int, choices: list[int], data: st.DataObject
) -> None:
    """`opened`, `live`, `begun` and `children` are kept so that nobody walks through thousands of steps."""
    log = Told(world, Fate(seed, trouble))
    for choice in choices:
        if log.state.ended:
            break
        lost = {id: Lost("worker_left") for id in log.state.opened if data.draw(st.integers(0, 9)) == 0}
        records = decide(log.state, log.plan, log.facts(lost=lost)) or log.something_ends(choice)
        for record in records:
            assert log.land(record) is None
            agrees(log.state)
        if not records:
            assert log.time_passes()


def agrees(state: RunState) -> None:
    """Each index is what a walk through all steps and executions gives."""
    assert set(state.opened) == {id for id, execution in state.executions.items() if execution.open}
    assert state.begun == sum(1 for known in state.steps.values() if known.scheduled)
    inner = {path: known for path, known in state.steps.items() if "/" in path}
    busy = {path for path, known in inner.items() if known.busy or known.status == "waiting"}
    assert busy <= set(state.live), "whatever is under way is live"
    assert all(not inner[path].done for path in state.live)
    assert state.failing or all(step_at(state, path) for path in state.live), "what is around it is not over"
    assert set(state.children) == {path for path, known in state.steps.items() if known.status == "child"}
    for path, known in state.steps.items():
        if known.inside and known.inside.shape == "items":
            assert all(f"{path}/{index}" in inner for index in range(known.inside.begun))
            assert f"{path}/{known.inside.begun}" not in inner
