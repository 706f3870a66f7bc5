"""A worker that has nothing to do costs next to nothing."""

from __future__ import annotations

from pathlib import Path

from tests.serving import CommandLine

SECONDS = 15.0
MOST_CPU_PERCENT = 5.0


def test_a_worker_without_runs_takes_less_than_a_twentieth_of_a_core(kafka: str, tmp_path: Path) -> None:
    line = CommandLine(tmp_path, {"ELEXIRION_KAFKA": kafka, "ELEXIRION_HOME": str(tmp_path / "home")})
    measured = line.json("bench", "idle", "--seconds", str(SECONDS))
    assert measured.keys() == {"idle_cpu_percent", "run_ms", "seconds"}
    assert SECONDS <= measured["seconds"] < 2 * SECONDS
    # The time of the run is wall time, which others on the machine stretch: it is told, not asserted.
    print(measured)
    assert 0 < measured["idle_cpu_percent"] < MOST_CPU_PERCENT
    assert measured["run_ms"] > 0
