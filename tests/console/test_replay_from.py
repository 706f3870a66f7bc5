"""`elexirion run --replay-from`: a recorded run answers, and a changed prompt stops with a diff."""

from pathlib import Path

from tests.serving import CommandLine

ASKING = 'name: asking\nsteps: [{name: ask, type: claude, prompt: "About %s\\nBe brief."}]\n'
FAST = ("--replay-timing", "compressed")


def test_a_recorded_run_answers_without_a_key_and_alike(served: CommandLine) -> None:
    file = served.file("played.yaml", ASKING % "owls")
    first = served.json("run", file, "--offline")
    again = served.json("run", file, "--replay-from", first["run_id"], *FAST)
    assert (again["result"], again["offline"], again["cost_usd"]) == (first["result"], False, 0.0)


def test_a_changed_prompt_stops_with_a_diff(served: CommandLine) -> None:
    first = served.json("run", served.file("before.yaml", ASKING % "owls"), "--offline")
    edited = served.file("after.yaml", ASKING % "crows")
    said = served("run", edited, "--replay-from", first["run_id"], *FAST)
    assert said.returncode == 1
    assert "-About owls\n+About crows\n Be brief.\n" in said.stderr
    document = served.json("run", edited, "--replay-from", first["run_id"], *FAST, code=1)
    (difference,) = document["not_recorded"]
    assert (difference["step"], difference["why"]) == (
        "ask", "call 1 asks what was not recorded: prompt (line 1) differs",
    )  # fmt: skip


def test_an_export_with_its_chunks_answers_as_well(served: CommandLine, tmp_path: Path) -> None:
    file = served.file("exported.yaml", ASKING % "owls")
    first = served.json("run", file, "--offline")
    export = tmp_path / "owls.jsonl"
    assert served("export", first["run_id"], "--chunks", "-o", export).returncode == 0
    assert served.json("run", file, "--replay-from", export, *FAST)["result"] == first["result"]


def test_what_is_not_there_is_said_before_anything_runs(served: CommandLine) -> None:
    file = served.file("nothing.yaml", ASKING % "owls")
    assert "never-was" in served.json("run", file, "--replay-from", "never-was", code=2)["error"]["message"]
    assert "no.jsonl" in served.json("run", file, "--replay-from", "no.jsonl", code=2)["error"]["message"]
    assert "--offline" in served.json("run", file, "--replay-from", "x", "--offline", code=2)["error"]["message"]
