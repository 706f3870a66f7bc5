"""The step graph as text, Mermaid and SVG."""

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from elexirion.pipelines.condition_text import condition_text
from elexirion.pipelines.drawing.layout import PlacedBox, PlacedGroup, placed_group
from elexirion.pipelines.drawing.mermaid import mermaid_of_graph
from elexirion.pipelines.drawing.picture import Box, Group, picture_of
from elexirion.pipelines.drawing.plain_text import text_of_graph
from elexirion.pipelines.drawing.shown import shortened, width_of
from elexirion.pipelines.drawing.svg import svg_of_graph
from hypothesis import given
from hypothesis import strategies as st

from tests.pipelines.files import pipeline, steps

SVG = "{http://www.w3.org/2000/svg}"
EVERYTHING = steps(
    "name: a, type: set_variable, variables: {x: 1}",
    "name: b, type: test_echo, needs: [a], condition: \"x > 1 and '<b>' != 'c'\"",
    "name: c, type: test_echo, needs: [a]",
    "name: loop, type: for_loop, over: [1, 2], as: n, parallel: true, needs: [b, c], "
    "steps: [{name: in1, type: test_echo}, {name: in2, type: test_echo}]",
    "name: again, type: while_loop, condition: x < 9, steps: [{name: in3, type: test_echo}]",
    "name: which, type: switch, expression: x, cases: {one: [{name: in4, type: test_echo}]}, "
    "default: [{name: in5, type: test_echo}]",
    "name: child, type: pipeline, pipeline: {name: inner, steps: [{name: in6, type: test_echo}]}",
    "name: other, type: pipeline, pipeline_file: other.yaml",
    "name: tasks, type: parallel_claude, parallel_tasks: [{id: t1, prompt: a}, {id: t2, prompt: b, condition: x}]",
    "name: batch, type: claude_batch, items: [1, 2], step_template: {prompt: hi}",
) + (
    "  on_error: [{name: tell, type: test_echo}]\n"
    "  then: [{name: after, steps: [{name: z, type: test_echo}]}]\n"
)  # fmt: skip
PICTURE = picture_of(pipeline(EVERYTHING))


def test_text_has_a_line_for_each_step_with_what_it_waits_for() -> None:
    assert text_of_graph(PICTURE).splitlines() == [
        "p",
        " 1  a      set_variable",
        " 2  b      test_echo        after a  if x > 1 and '<b>' != 'c'",
        " 2  c      test_echo        after a",
        " 3  loop   for_loop         after b, c  for each n of 2 items, 5 at once",
        "    │ 1  in1  test_echo",
        "    │ 2  in2  test_echo  after in1",
        " 4  again  while_loop       after loop  while x < 9",
        "    │ 1  in3  test_echo",
        " 5  which  switch           after again  by x",
        "    │ case one",
        "    │ 1  in4  test_echo",
        "    │ default",
        "    │ 1  in5  test_echo",
        " 6  child  pipeline         after which",
        "    │ inner",
        "    │ 1  in6  test_echo",
        " 7  other  pipeline         after child  runs other.yaml",
        " 8  tasks  parallel_claude  after other",
        "    │ 1  t1  task",
        "    │ 1  t2  task  if x",
        " 9  batch  claude_batch     after tasks  for each item of 2 items, 10 at once",
        "    │ 1  item  claude",
        "",
        "on_error",
        "1  tell  test_echo",
        "",
        "then after",
        "1  z  test_echo",
    ]


def test_mermaid_has_a_node_for_each_step_an_edge_for_each_need_and_conditions_on_edges() -> None:
    drawn = mermaid_of_graph(picture_of(pipeline(steps(
        "name: a, type: test_echo",
        'name: \'say "hi"\', type: test_echo, condition: x > 1',
        "name: loop, type: for_loop, over: [1], steps: [{name: b, type: test_echo, condition: x}]",
    ))))  # fmt: skip
    assert drawn == (
        "flowchart TD\n"
        '  subgraph g1["p"]\n'
        '    s2["<b>a</b><br/>test_echo"]\n'
        '    s3["<b>say #34;hi#34;</b><br/>test_echo"]\n'
        '    subgraph s4["<b>loop</b><br/>for_loop<br/>for each item of 1 item"]\n'
        '      s5["<b>b</b><br/>test_echo<br/>if x"]\n'
        "    end\n"
        '    s2 -->|"if x #62; 1"| s3\n'
        "    s3 --> s4\n"
        "  end\n"
    )


def test_svg_shows_every_step_and_condition_and_needs_nothing_from_elsewhere() -> None:
    text = svg_of_graph(PICTURE)
    root = ElementTree.fromstring(text)
    shown = {element.text for element in root.iter(f"{SVG}text")}
    assert {"a", "loop", "in1", "in6", "t2", "tell", "z", "case one", "if x > 1 and '<b>' != 'c'"} <= shown
    assert len(list(root.iter(f"{SVG}rect"))) == 21
    assert not re.search(r"href|<script|url\((?!#)", text)
    assert text.count("http") == 1  # the name space


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (True, "true"),
        ("a >\n  b", "a > b"),
        (["a", "b > 1"], "a and (b > 1)"),
        ({"or": ["a", {"not": {"and": ["b", "c"]}}]}, "a or (not (b and c))"),
        ([], "true"),
    ],
)
def test_a_condition_reads_as_one_line(condition: object, text: str) -> None:
    assert condition_text(condition) == text


def test_long_and_wide_texts_are_shown_as_they_are_wide() -> None:
    assert shortened("a" * 60) == "a" * 47 + "…"
    assert shortened("a\x1b[31m\nb") == "a [31m b"
    assert (width_of("äb"), width_of("日本"), width_of("a\u0301")) == (2, 4, 1)


_NAMES = st.text(min_size=1, max_size=12)


@st.composite
def groups(draw: st.DrawFn, depth: int = 2) -> Group:
    """A group of up to eight boxes, each of which may need any before it."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=8, unique=True))
    boxes: list[Box] = []
    for index, name in enumerate(names):
        needs = tuple(draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=3))) if index else ()
        inner = tuple(draw(st.lists(groups(depth - 1), max_size=2))) if depth and draw(st.booleans()) else ()
        boxes.append(Box(name, "type", needs, draw(st.none() | st.text(max_size=30)), None, inner))
    return Group(draw(st.text(max_size=10)), tuple(boxes))


@given(groups())
def test_every_drawing_of_any_graph_is_well_formed(group: Group) -> None:
    ElementTree.fromstring(svg_of_graph((group,)))
    assert text_of_graph((group,)).count("type") >= len(group.boxes)
    lines = mermaid_of_graph((group,)).splitlines()
    assert sum(line.strip().startswith("subgraph") for line in lines) == sum(line.strip() == "end" for line in lines)


@given(groups())
def test_boxes_never_overlap_and_edges_go_down_past_them(group: Group) -> None:
    _check(placed_group(group))


def _check(group: PlacedGroup) -> None:
    for one, other in combinations(group.boxes, 2):
        apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
        apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert apart_x or apart_y
    for edge in group.edges:
        for index, ((x, y), (_, next_y)) in enumerate(pairwise(edge)):
            assert next_y >= y
            if index % 2 == 0:  # straight, so it must pass all boxes of its layer
                assert not any(_covers(box, x, (y + next_y) / 2) for box in group.boxes if next_y > y)
    for box in group.boxes:
        assert box.x >= 0 and box.x + box.width <= group.width + 0.01
        assert box.y + box.height <= group.height + 0.01
        for inner in box.groups:
            assert inner.x + inner.width <= box.width + 0.01
            assert inner.y + inner.height <= box.height + 0.01
            _check(inner)


def _covers(box: PlacedBox, x: float, y: float) -> bool:
    return box.x < x < box.x + box.width and box.y < y < box.y + box.height


def test_a_chain_of_thousands_of_steps_is_drawn_at_once() -> None:
    boxes = [Box("s0", "t"), *(Box(f"s{index}", "t", (f"s{index - 1}",)) for index in range(1, 5000))]
    assert len(Group("", tuple(boxes)).layers()) == 5000
    assert svg_of_graph((Group("long", tuple(boxes)),)).count("<rect") == 5000
