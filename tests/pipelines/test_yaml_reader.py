"""YAML and JSON texts into values with positions."""

import json

import pytest
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.yaml_reader import MAX_BYTES, MAX_DEPTH, read
from hypothesis import given
from hypothesis import strategies as st

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


def _refusal(text: str) -> PipelineInvalid:
    with pytest.raises(PipelineInvalid) as caught:
        document = read(text, "p.yaml")
        if document.problems:
            raise PipelineInvalid(document.problems)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("1e5", 100000.0),
        (".5", 0.5),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!int '7'", 7),
        ("=", "="),
    ],
)
def test_scalars_are_read_by_yaml_1_2(text: str, value: object) -> None:
    found = read(f"a: {text}", "p.yaml").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_key_given_twice_is_refused_at_its_second_place() -> None:
    (problem,) = _refusal("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n").problems
    assert (problem.line, problem.column, problem.key_path) == (5, 3, "b.c")


def test_several_keys_given_twice_are_all_named() -> None:
    assert [problem.line for problem in _refusal("a: 1\na: 2\nb: 3\nb: 4\n").problems] == [2, 4]


def test_aliases_and_merge_keys_give_their_values() -> None:
    text = "base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\nsame: *b\n"
    value = read(text, "p.yaml").value
    assert value["mine"] == {"x": 1, "y": 3}
    assert value["same"] == {"x": 1, "y": 2}


def test_aliases_that_multiply_are_cut() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "aliases" in str(_refusal("\n".join(lines)))


def test_an_alias_of_itself_is_refused() -> None:
    assert "contains itself" in str(_refusal("a: &a [1, *a]"))


@pytest.mark.parametrize("text", ["[" * 1000, "a: " + "[" * 1000, "- " * 1000 + "x"])
def test_deep_nesting_is_refused(text: str) -> None:
    assert f"deeper than {MAX_DEPTH}" in str(_refusal(text))


def test_depth_hidden_behind_an_alias_counts() -> None:
    text = "a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*a" + "]" * 30
    assert f"deeper than {MAX_DEPTH}" in str(_refusal(text))


def test_a_file_over_256_kb_is_refused() -> None:
    assert str(MAX_BYTES) in str(_refusal("a: " + "x" * MAX_BYTES))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "a: [1",
        "a: 'x",
        "\x00",
        "a: 1\n---\nb: 2",
        "a: !!python/object:os.system x",
        "? [a]\n: b",
    ],
)
def test_what_cannot_be_read_says_at_which_line(text: str) -> None:
    assert all(problem.line >= 1 for problem in _refusal(text).problems)


@pytest.mark.parametrize("number", [".inf", "-.Inf", ".nan", "1e999", "9223372036854775808", "9" * 5000])
def test_numbers_that_json_cannot_carry_are_refused(number: str) -> None:
    assert "quote it" in str(_refusal(f"a: {number}"))


def test_every_key_and_item_has_its_position() -> None:
    marks = read("a:\n  - x: 1\n    y: |\n      text\n", "p.yaml").marks
    assert (marks.find(("a", 0, "y")).line, marks.find(("a", 0, "y")).column) == (3, 5)
    assert marks.find(("a", 0, "y")).content_line == 4
    assert marks.find(("a", 0, "nothing", 3)).line == 2


@given(_JSON)
def test_json_is_read_as_json(value: object) -> None:
    document = read(json.dumps({"v": value}), "p.json")
    assert document.problems == ()
    assert document.value == {"v": value}


@given(st.text())
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    try:
        read(text, "p.yaml")
    except PipelineInvalid as error:
        assert all(problem.line >= 1 for problem in error.problems)
