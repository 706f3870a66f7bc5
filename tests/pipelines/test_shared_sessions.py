"""Which sessions of a file other runs carry on as well: who adds to them, and who takes their history."""

import pytest
from elexirion.pipelines.loader import load_file
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.shared_sessions import added_to, may_read, read_by

from tests.pipelines.files import SHARED, pipeline, steps

TALK = "name: talk, type: claude_session, session_config: {session_name: tutor, persist: true}, prompt: hello"
AGAIN = "name: again, type: claude_session, session_config: {session_name: tutor}, prompt: again"
OWN = "name: own, type: claude_session, session_config: {session_name: mine}, prompt: hello"


def _prompt(segment: str) -> str:
    return f"name: reads, type: claude, prompt: [{{type: session_context, {segment}}}]"


def _read(found: Pipeline, name: str) -> set[str]:
    return set(read_by(found, found.by_name[name], lambda text: {"{{ which }}": "tutor"}.get(text, text)))


def test_a_step_that_persists_adds_to_its_session_also_within_a_loop() -> None:
    inner = TALK.replace("name: talk", "name: inner", 1).replace("prompt: hello", "prompt: deep")
    loop = f"name: each, type: for_loop, data_source: [1, 2], steps: [{{{inner}}}]"
    assert added_to(pipeline(steps(TALK, OWN, loop))) == {"talk": "tutor", "inner": "tutor"}


def test_a_session_is_read_as_shared_by_all_its_steps_where_one_of_them_persists_it() -> None:
    found = pipeline(steps(TALK, AGAIN, OWN))
    assert [_read(found, name) for name in ("talk", "again", "own")] == [{"tutor"}, {"tutor"}, set()]


@pytest.mark.parametrize(
    ("segment", "read"),
    [
        ("session_id: talk", {"tutor"}),
        ("session_id: tutor", {"tutor"}),
        ("session_id: own", set()),
        ("session_id: elsewhere, persist: true", {"elsewhere"}),
        ("session_id: own, persist: true", {"mine"}),
        ("session_id: '{{ which }}'", {"tutor"}),
        ("session_id: '{{ which }}', persist: true", {"tutor"}),
    ],
)
def test_a_segment_reads_the_shared_session_that_its_name_means(segment: str, read: set[str]) -> None:
    found = pipeline(steps(TALK, OWN, _prompt(segment)))
    assert _read(found, "reads") == read
    assert may_read(found, found.by_name["reads"]) == bool(read)


def test_a_step_without_sessions_reads_none() -> None:
    found = pipeline(steps(TALK, "name: plain, type: claude, prompt: hello"))
    assert not may_read(found, found.by_name["plain"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the users' files are not here")
def test_the_users_session_example_shares_one_session() -> None:
    found = load_file(SHARED / "examples__claude_session_example.yaml").pipeline
    assert set(added_to(found).values()) == {"math_tutor"}
