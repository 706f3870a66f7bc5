"""What is taken out of an answer, whatever the answer is."""

import json
import time
from typing import Any

import pytest
from elexirion.agents.steps.extraction import NOT_JSON, Extraction, NothingSaid, extracted, tidied
from elexirion.agents.steps.markdown_parts import (
    code_blocks,
    key_points,
    links,
    list_mark,
    recommendations,
    sections,
    summary,
)
from hypothesis import given
from hypothesis import strategies as st

ANSWER = """Intro sentence one. And another one!

# Findings
* The cache is **cold**.
+ See [the docs](https://example.org/a_(b)) and https://example.org/c.

## Recommendations
1. Warm the cache
2) Measure again

You should also log it. That is all.

```python
# Not a heading
- not an item: https://code.example
```
"""
PROCESSING = (
    "trim",
    "extract_code_blocks",
    "extract_recommendations",
    "extract_links",
    "extract_key_points",
    "format_markdown",
    "generate_summary",
)


def _value(answer: Any, **wanted: Any) -> Any:
    return extracted(answer, Extraction(**wanted), {})


def test_text_is_the_answer() -> None:
    assert _value(" a ") == " a "
    assert _value(" a ", post_processing=["trim"]) == "a"


def test_data_reads_as_json_where_text_is_wanted() -> None:
    assert json.loads(_value({"ä": 1})) == {"ä": 1}


@pytest.mark.parametrize("form", ["json", "structured"])
@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Here:\n```json\n{"a": 1}\n```\nDone.', {"a": 1}),
        ("[]", []),
        ("null", None),
        ("0", 0),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_json_is_the_value_itself(form: str, answer: Any, value: Any) -> None:
    assert _value(answer, format=form) == value


def test_text_that_is_not_json_is_given_as_text_with_a_warning() -> None:
    assert _value(" not json ", format="json", post_processing=["trim"]) == {
        "content": "not json",
        "format": "text",
        "warnings": [NOT_JSON],
    }


def test_a_text_is_structured_by_its_headings() -> None:
    found = _value("before\n# One\na\n## Two ##\nb\n\nc", format="structured")
    assert (found["format"], found["sections"]) == (
        "structured",
        [
            {"title": "", "level": 0, "content": "before"},
            {"title": "One", "level": 1, "content": "a"},
            {"title": "Two", "level": 2, "content": "b\n\nc"},
        ],
    )


def test_what_comes_with_the_value_stands_beside_it() -> None:
    found = _value(ANSWER, post_processing=PROCESSING, include_metadata=True)
    assert sorted(found) == [
        "code_blocks",
        "content",
        "format",
        "key_points",
        "links",
        "metadata",
        "recommendations",
        "summary",
    ]
    assert _value('{"a": 1}', format="json", post_processing=["extract_links"]) == {
        "content": {"a": 1},
        "format": "json",
        "links": [],
    }


def test_an_empty_answer_is_nothing_where_it_is_validated() -> None:
    with pytest.raises(NothingSaid):
        _value(" \n", post_processing=["validate"])


def test_code_blocks_have_their_language_and_may_be_left_open() -> None:
    text = "a\n```py x\nb\n\n~~~\n```\n~~~\nc\n~~~\n`` `d` ``\n```inline``` text\n````\n```\n"
    assert code_blocks(text) == [
        {"language": "py", "code": "b\n\n~~~"},
        {"language": "", "code": "c"},
        {"language": "", "code": "```"},
    ]


def test_links_come_once_each_with_their_label() -> None:
    text = f"{ANSWER} [again](https://example.org/c) [x](/relative) <http://e.org> http:// https://..."
    assert links(text) == [
        {"text": "the docs", "url": "https://example.org/a_(b)"},
        {"text": "https://example.org/c", "url": "https://example.org/c"},
        {"text": "https://code.example", "url": "https://code.example"},
        {"text": "x", "url": "/relative"},
        {"text": "http://e.org", "url": "http://e.org"},
    ]


def test_key_points_are_items_or_first_sentences() -> None:
    assert key_points(ANSWER)[0] == "The cache is **cold**."
    assert key_points(ANSWER)[2:] == ["Warm the cache", "Measure again"]
    assert key_points("# T\nOne. Two.\n\nThree?\nFour.") == ["One.", "Three?"]
    assert key_points("") == []


def test_recommendations_are_announced_or_advise() -> None:
    assert recommendations(ANSWER) == ["Warm the cache", "Measure again", "You should also log it."]
    assert recommendations("**Next steps:**\n- go\n\nOther:\n- stay\n- consider it") == ["go", "consider it"]


@pytest.mark.parametrize(
    ("line", "mark"),
    [("- a", "- "), (" * a", "* "), ("12. a", "12. "), ("3) a", "3) "), ("---", None), ("* * *", None), ("-a", None)],
)
def test_a_list_mark_needs_its_space_and_is_no_rule(line: str, mark: str | None) -> None:
    assert list_mark(line) == mark


def test_a_summary_is_of_whole_sentences() -> None:
    assert summary(ANSWER, 500).startswith("Intro sentence one. And another one! The cache is")
    assert summary("One two. Three four.", 12) == "One two."
    assert summary("One two three.", 8) == "One two…"
    assert summary("```\ncode\n```", 100) == ""


def test_markdown_is_tidied_outside_of_code() -> None:
    text = "# A\ntext  \n\n\n* b\n+ c\n## D\n```\n* e\n\n\n# f  \n```\n"
    assert tidied(text) == "# A\n\ntext\n\n- b\n- c\n\n## D\n```\n* e\n\n\n# f  \n```"


_MARKDOWN = st.lists(
    st.sampled_from(
        ["# ", "## x", "```", "~~~", "- ", "* ", "+ a", "• b", "1. c", "\n", " ", "a. b", "**t**", "t:", "[a](b)"]
    )
    | st.text(max_size=5),
    max_size=40,
).map("".join)


@given(_MARKDOWN | st.text())
def test_tidied_markdown_stays_as_it_is(text: str) -> None:
    assert tidied(tidied(text)) == tidied(text)


@given(_MARKDOWN, st.integers(1, 60))
def test_a_summary_is_never_longer_than_allowed(text: str, most: int) -> None:
    assert len(summary(text, most)) <= most


@given(
    _MARKDOWN | st.text(),
    st.sampled_from(["text", "json", "structured", "summary", "markdown"]),
    st.lists(st.sampled_from(PROCESSING), max_size=4),
    st.booleans(),
)
def test_any_answer_gives_a_value_of_json(text: str, form: str, processing: list[str], metadata: bool) -> None:
    value = _value(text, format=form, post_processing=processing, include_metadata=metadata)
    assert json.loads(json.dumps(value)) == value


@given(_MARKDOWN)
def test_sections_keep_every_word(text: str) -> None:
    words = [word for section in sections(text) for word in f"{section['title']} {section['content']}".split()]
    assert "".join(words).replace("#", "") == "".join(text.split()).replace("#", "")


_HOSTILE = {
    "spaces": " ",
    "open fences": "```json\n",
    "one fence and spaces": "```json\n" + " " * 200_000,
    "brackets": "[",
    "links without an end": "[a](",
    "links with much in them": "[a](" + "b" * 3_000,
    "addresses": "http://",
    "stars": "* ",
    "numbers": "1",
    "points": ". ",
    "hashes": "#",
    "one word": "a",
}


@pytest.mark.parametrize("piece", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_a_hostile_answer_takes_no_longer_than_a_kind_one(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    for form in ("json", "structured", "summary", "markdown"):
        _value(text, format=form, post_processing=PROCESSING, max_summary_length=10**9)
    assert time.process_time() - began < 10
