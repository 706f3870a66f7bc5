"""Logs that the real decisions make, of any pipeline: the history checker finds nothing, whatever is there twice."""

from random import Random

from elexirion.projections.history.checker import check
from elexirion.projections.partition import PartitionFold
from elexirion.projections.replay import Logged
from hypothesis import given, settings

from tests.agents.decide.test_any_nested_run import CHOICES, SEEDS, TROUBLES
from tests.agents.decide.worlds import Fate, Told, World, drive, worlds
from tests.projections.history.histories import history_of
from tests.projections.state_hash import state_hash

LEFT_OUT = {"not_started"}
"""The workers of these worlds say only how an execution ended."""


@settings(max_examples=60, deadline=None)
@given(worlds(), SEEDS, TROUBLES, CHOICES)
def test_no_promise_is_broken(world: World, seed: int, trouble: int, choices: list[int]) -> None:
    log = Told(world, Fate(seed, trouble))
    drive(log, choices)
    found = [one for one in check(history_of(log, pieces=())) if one.kind not in LEFT_OUT]
    assert found == []


@settings(max_examples=60, deadline=None)
@given(worlds(), SEEDS, TROUBLES, CHOICES)
def test_a_fifth_of_the_records_doubled_gives_the_same_state_hash(
    world: World, seed: int, trouble: int, choices: list[int]
) -> None:
    log, random = Told(world, Fate(seed, trouble)), Random(seed)
    drive(log, choices)
    doubled: list[Logged] = list(log.records)
    for n in sorted(random.sample(range(len(log.records)), -(-len(log.records) // 5)), reverse=True):
        doubled.insert(random.randint(n + 1, len(doubled)), log.records[n])
    again = PartitionFold(0)
    for offset, (record, at) in enumerate(doubled):
        again.apply(record, offset, at)
    assert state_hash(again) == state_hash(log.fold)
    assert again.refused == len(doubled) - len(log.records) + log.fold.refused
