"""Shared sessions on the command line: one run tells, another one knows, and the list of runs is about runs."""

from __future__ import annotations

from elexirion.events.identifiers import session_run_id

from tests.serving import CommandLine

TELLS = """\
name: tells
steps:
  - name: tell
    type: claude_session
    session_config: {session_name: tutor of the command line, persist: true}
    prompt: My cat is Mia.
"""
SESSION = session_run_id("tutor of the command line", offline=True)


def test_a_session_is_a_run_that_only_a_list_of_all_runs_shows(served: CommandLine) -> None:
    file = served.file("tells.yaml", TELLS)
    ended = served.json("run", file, "--offline")["run_id"]

    listed = [run["run_id"] for run in served.json("runs")["runs"]]
    assert ended in listed
    assert SESSION not in listed
    assert SESSION in [run["run_id"] for run in served.json("runs", "--all")["runs"]]

    shown = served.json("show", SESSION)
    assert (shown["status"], shown["pipeline"]) == ("running", "session tutor of the command line")
