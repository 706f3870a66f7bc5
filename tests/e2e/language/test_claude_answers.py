"""The rows of the step table whose Claude models remember, or whose answers something is taken out of."""

from typing import Any

from elexirion.events.values import Inline

from tests.e2e.language.answers import completed, said
from tests.e2e.language.runner import Runner
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Rule

# claude_session -----------------------------------------------------------------------------------------


def _turns(call: StubCall) -> list[tuple[str, str]]:
    """Who said what, on the wire."""
    return [(message["role"], _text(message["content"])) for message in call.asked.messages]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def test_claude_session(runs: Runner, stub: StubServer) -> None:
    stub.script(
        Rule(contains="And the fourth?", answer=said("Four.")), Rule(contains="And the third?", answer=said("Three.")),
        Rule(contains="And the second?", answer=said("Two.")), Rule(answer=said("One.")),
    )  # fmt: skip
    ended = await runs.completed(
        """\
        name: session
        steps:
          - name: start
            type: claude_session
            session_config: {session_name: tutor}
            prompt: What is the first?
          - name: go_on
            type: claude_session
            session_config: {session_name: tutor}
            conversation: [And the second?, {role: user, content: And the third?}]
          - {name: other, type: claude_session, prompt: Do you know me?}
          - name: short
            type: claude_session
            session_config: {session_name: tutor, max_turns: 1}
            prompt: And the fourth?
        """
    )
    first, second, third, other, short = stub.calls()
    begin = [("user", "What is the first?"), ("assistant", "One.")]
    then = [("user", "And the second?"), ("assistant", "Two.")]
    assert _turns(first) == begin[:1]
    assert _turns(second) == [*begin, then[0]]
    assert _turns(third) == [*begin, *then, ("user", "And the third?")]
    assert _turns(other) == [("user", "Do you know me?")]
    assert _turns(short) == [("user", "And the third?"), ("assistant", "Three."), ("user", "And the fourth?")]
    assert [ended.value(name) for name in ("start", "go_on", "other", "short")] == ["One.", "Three.", "One.", "Four."]
    added = completed(ended, "go_on").turns
    assert isinstance(added, Inline)
    assert added.value == [
        {"user": "And the second?", "assistant": "Two."}, {"user": "And the third?", "assistant": "Three."},
    ]  # fmt: skip


PERSISTENT = """\
name: persistent
steps:
  - name: ask
    type: claude_session
    session_config: {session_name: %s, persist: true}
    prompt: "%s"
"""


async def test_claude_session_goes_on_in_another_run_where_it_persists(runs: Runner, stub: StubServer) -> None:
    stub.answer(said("Blue."))
    name = f"tutor-{runs.folder.name}"
    await runs.completed(PERSISTENT % (name, "My colour is blue."))
    await runs.completed(PERSISTENT % (name, "What was my colour?"))
    first, second = stub.calls()
    assert _turns(first) == [("user", "My colour is blue.")]
    assert _turns(second) == [
        ("user", "My colour is blue."), ("assistant", "Blue."), ("user", "What was my colour?")
    ]  # fmt: skip


# claude_extract -----------------------------------------------------------------------------------------

REPORT = """\
# Findings

The river is long. It is also old.

- It carves its valley.
- It floods.

## Recommendations

1. Build dams.
2. Plant trees.

See [the map](https://example.org/map).

```python
print("river")
```
"""


async def test_claude_extract(runs: Runner, stub: StubServer) -> None:
    stub.script(
        Rule(contains="data", answer=said('Here it is:\n```json\n{"name": "Nile", ', '"km": 6650}\n```\n')),
        Rule(contains="report", answer=said(f"\n\n{REPORT}\n")),
    )
    ended = await runs.completed(
        """\
        name: extract
        steps:
          - {name: json, type: claude_extract, prompt: Give data., extraction_config: {format: json}}
          - name: by_schema
            type: claude_extract
            prompt: Give data.
            extraction_config:
              schema: {type: object, required: [km], properties: {km: {type: integer}}}
          - {name: not_json, type: claude_extract, prompt: Give a report., extraction_config: {output_format: json}}
          - {name: summary, type: claude_extract, prompt: Give a report.,
             extraction_config: {format: summary, max_summary_length: 40}}
          - {name: text, type: claude_extract, prompt: Give a report., extraction_config: {post_processing: [trim]}}
          - {name: structured, type: claude_extract, prompt: Give a report., extraction_config: {format: structured}}
          - {name: markdown, type: claude_extract, prompt: Give a report., extraction_config: {format: markdown}}
          - name: parts
            type: claude_extract
            prompt: Give a report.
            extraction_config:
              format: text
              include_metadata: true
              post_processing: [trim, validate, extract_code_blocks, extract_recommendations, extract_links,
                                extract_key_points, format_markdown, generate_summary]
        """
    )
    assert ended.value("json") == ended.value("by_schema") == {"name": "Nile", "km": 6650}
    not_json = ended.value("not_json")
    assert (not_json["format"], not_json["content"].strip()) == ("text", REPORT.strip())
    assert "not JSON" in not_json["warnings"][0]
    assert len(ended.value("summary")) <= 40
    assert ended.value("text") == REPORT.strip()
    assert ended.value("structured")["sections"]
    assert ended.value("markdown").startswith("# Findings\n\nThe river is long.")
    parts = ended.value("parts")
    assert parts["content"] == REPORT.strip()
    assert parts["code_blocks"][0]["code"].strip() == 'print("river")'
    assert [one.strip(".") for one in parts["recommendations"]] == ["Build dams", "Plant trees"]
    assert parts["links"][0]["url"] == "https://example.org/map"
    assert "It floods." in parts["key_points"]
    assert 0 < len(parts["summary"]) <= 500
    assert parts["metadata"]["model"] == ended.step("parts").model


async def test_claude_extract_fails_where_the_value_does_not_fit(runs: Runner, stub: StubServer) -> None:
    stub.answer(said('{"km": "many"}'))
    ended = await runs.failed(
        """\
        name: misfit
        steps:
          - name: wrong
            type: claude_extract
            prompt: Give data.
            extraction_config: {schema: {type: object, properties: {km: {type: integer}}}}
        """
    )
    assert ended.run.failure and ended.run.failure.kind == "schema_mismatch"
    assert "$.km" in ended.run.failure.message and "many" not in ended.run.failure.message
