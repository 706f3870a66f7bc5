"""Values as text and back."""

import json
from typing import Any

import pytest
from elexirion.agents.formats.registry import FORMATS, FormatRefused, decoded, encoded, format_of
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6)
CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_and_yaml_give_back_what_they_were_given(value: Any) -> None:
    assert decoded(encoded(value, "json").encode(), "json") == value
    assert decoded(encoded(value, "yaml").encode(), "yaml") == value


@given(st.lists(JSON, max_size=4))
def test_lines_of_json_give_back_their_rows(rows: list[Any]) -> None:
    assert decoded(encoded(rows, "jsonl").encode(), "jsonl") == rows


@given(st.lists(st.fixed_dictionaries({"a b": CELLS, "c": CELLS}), min_size=1, max_size=4))
def test_csv_gives_back_texts(rows: list[dict[str, str]]) -> None:
    assert decoded(encoded(rows, "csv").encode(), "csv") == rows
    assert decoded(encoded(rows, "csv", ";").encode(), "csv", ";") == rows


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,4}", fullmatch=True).filter(lambda name: name not in ("root", "item"))
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=5).filter(
    lambda text: text == text.strip() and "\ufffe" not in text and "\uffff" not in text
)


@given(NAMES, st.dictionaries(NAMES, XML_TEXT | st.lists(XML_TEXT, min_size=2, max_size=3), min_size=1, max_size=3))
def test_xml_gives_back_elements(name: str, value: dict[str, Any]) -> None:
    assert decoded(encoded({name: value}, "xml").encode(), "xml") == {name: value}


def test_csv_has_all_columns_of_all_rows_and_json_for_what_is_nested() -> None:
    rows = [{"a": 1, "b": None}, {"c": [1, {"x": "é"}], "a": True}, {"a": 'q"u,'}]
    assert encoded(rows, "csv") == 'a,b,c\n1,,\ntrue,,"[1, {""x"": ""é""}]"\n"q""u,",,\n'
    assert encoded([1, "x"], "csv") == "value\n1\nx\n"
    assert encoded([], "csv") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [("a,a\n1,2\n", "`a` stands there twice"), ("a\n1,2\n", "line 2: 2 values for 1 columns"), ('a\n"x', "line 2")],
)
def test_csv_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(FormatRefused, match=said):
        decoded(text.encode(), "csv")


def test_csv_tolerates_a_byte_order_mark_and_short_lines() -> None:
    assert decoded(b"\xef\xbb\xbfa,b\r\n1\r\n\r\n", "csv") == [{"a": "1", "b": ""}]


def test_xml_has_attributes_text_and_repeated_elements() -> None:
    text = b'<o n="1"><i>a</i><i/>t<j><k>5</k></j></o>'
    assert decoded(text, "xml") == {"o": {"@n": "1", "i": ["a", None], "j": {"k": "5"}, "#text": "t"}}
    back = decoded(encoded(decoded(text, "xml"), "xml").encode(), "xml")
    assert back == decoded(text, "xml")


def test_rows_become_xml_and_back_become_csv() -> None:
    rows = [{"first name": "A & B", "n": 1}, {"first name": "<C>", "n": None}]
    text = encoded(rows, "xml")
    assert decoded(text.encode(), "xml") == {
        "root": {"item": [{"first_name": "A & B", "n": "1"}, {"first_name": "<C>", "n": None}]}
    }
    assert encoded(decoded(text.encode(), "xml"), "csv") == "first_name,n\nA & B,1\n<C>,\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "DOCTYPE"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE"),
        (b"<a>", "line 1"), (b"", "no element"), (b"<a>" * 200 + b"</a>" * 200, "more than 100 elements"),
    ],
)  # fmt: skip
def test_xml_that_is_dangerous_or_broken_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(FormatRefused, match=said):
        decoded(text, "xml")


def test_what_a_format_cannot_hold_is_refused() -> None:
    with pytest.raises(FormatRefused, match="control character"):
        encoded({"a": "\x00"}, "xml")
    nested: Any = "x"
    for _ in range(200):
        nested = {"a": nested, "b": 1}
    with pytest.raises(FormatRefused, match="nested"):
        encoded(nested, "xml")


@pytest.mark.parametrize(
    ("content", "form", "said"),
    [
        (b'{"a": NaN}', "json", "NaN is no JSON"), (b"{", "json", "line 1"), (b"[" * 100_000, "json", "too deeply"),
        (b'{"a": 1}\n{', "jsonl", "line 2"), (b"a: [", "yaml", "YAML, line"), (b"a: 1\na: 2", "yaml", "YAML, line 2"),
        (b"\xff", "text", "no UTF-8"), (b"", "toml", "unknown format `toml`"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_of_its_format_is_refused(content: bytes, form: str, said: str) -> None:
    with pytest.raises(FormatRefused, match=said):
        decoded(content, form)


def test_names_of_files_tell_formats() -> None:
    assert [format_of(name) for name in ("a.JSON", "b.yml", "c.ndjson", "d.txt", "e")] == [
        "json", "yaml", "jsonl", None, None,
    ]  # fmt: skip
    assert json.loads(encoded({"a": 1}, "text")) == {"a": 1}
    assert all(encoded("x", form) for form in FORMATS)
