"""The fold of a recorded log is what it was: a snapshot of the version before is read by the program after it."""

from dataclasses import replace
from typing import Any

import pytest
from elexirion.projections import partition as partition_fold
from elexirion.projections.change import changed
from elexirion.projections.evolve import evolve
from elexirion.projections.snapshot import differences
from elexirion.projections.snapshot_codec import FOLD_VERSION

from tests.projections import golden_fold
from tests.projections.golden_fold import differing, golden, log, now, restored
from tests.projections.snapshots import Followed

ADVICE = """\
the fold makes another state of the same log, and snapshots of the version before would be read as if it did not.
Raise FOLD_VERSION in projections/snapshot_codec.py, then: python -m tests.projections.golden_fold
Documents that differ:
"""


def test_the_fold_of_the_recorded_log_is_what_it_was_or_has_another_version() -> None:
    kept = golden()
    if kept.fold_version != FOLD_VERSION:
        pytest.fail("FOLD_VERSION was raised; write the snapshots: python -m tests.projections.golden_fold")
    found = differing(kept, now(log()))
    assert not found, ADVICE + "\n".join(found[:40])


def test_the_snapshot_that_was_kept_goes_on_as_if_never_stopped() -> None:
    whole, records = Followed().read(log()), log()
    going_on = restored(golden()).read(records)
    assert differences(going_on.fold, whole.fold) == []
    assert going_on.tally == whole.tally


def test_the_recorded_log_has_runs_of_many_kinds() -> None:
    records = log()
    types = {record.type for record, _ in records}
    steps = {name for state in now(records).whole for name in (state.split("/")[0],)}
    assert len(types) >= 20
    assert steps == {"run", "commands", "ended", "partition"}


def test_a_change_of_the_fold_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(state: Any, record: Any) -> Any:
        after = evolve(state, record)
        return changed(after, cost_usd=after.cost_usd + 0.01) if record.type == "StepCompleted" else after

    monkeypatch.setattr(partition_fold, "evolve", otherwise)
    assert differing(golden(), now(log()))


def test_snapshots_of_another_fold_are_not_written_over_those_of_the_same_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(golden_fold, "golden", lambda: replace(golden(), digests={"10": {"run/x": "0"}}))
    assert golden_fold.main() == 1
    assert "raise FOLD_VERSION" in capsys.readouterr().err
