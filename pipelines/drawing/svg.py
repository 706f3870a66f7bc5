"""The graph as one SVG document that stands alone: no scripts, no fonts or images from elsewhere."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from elexirion.pipelines.drawing.layout import GAP_Y, LINE, PADDING, PlacedBox, PlacedGroup, Point, placed_group
from elexirion.pipelines.drawing.picture import Box, Group

_STYLE = """\
svg { background: #ffffff; font: 13px ui-monospace, Menlo, Consolas, monospace; }
.box { fill: #f6f8fa; stroke: #57606a; } .inner { fill: #ffffff; stroke: #8c959f; stroke-dasharray: 4 3; }
.name, .title { fill: #1f2328; font-weight: bold; } .said { fill: #57606a; }
.edge { fill: none; stroke: #57606a; stroke-width: 1.3; } .head { fill: #57606a; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; } .box { fill: #161b22; stroke: #8b949e; } .inner { fill: #0d1117; stroke: #6e7681; }
  .name, .title { fill: #e6edf3; } .said { fill: #9da7b3; } .edge { stroke: #8b949e; } .head { fill: #8b949e; }
}"""
_HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="head" d="M0 0 L8 4 L0 8 z"/></marker>'
)


def svg_of_graph(groups: tuple[Group, ...]) -> str:
    """All groups, one below the other; ends with a newline."""
    placed: list[PlacedGroup] = []
    y = PADDING
    for group in groups:
        placed.append(placed_group(group, PADDING, y))
        y += placed[-1].height + GAP_Y
    width, height = max(one.width for one in placed) + 2 * PADDING, y - GAP_Y + PADDING
    lines = [line for one in placed for line in _group(one)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_number(width)}" height="{_number(height)}" '
            f'viewBox="0 0 {_number(width)} {_number(height)}" role="img" aria-label="{_text(placed[0].title)}">',
            f"<style>{_STYLE}</style>",
            f"<defs>{_HEAD}</defs>",
            *lines,
            "</svg>\n",
        ]
    )


def _group(group: PlacedGroup) -> Iterator[str]:
    yield f'<g transform="translate({_number(group.x)} {_number(group.y)})">'
    if group.title:
        yield f'<text class="title" y="{_number(LINE - 5)}">{_text(group.title)}</text>'
    for edge in group.edges:
        yield f'<path class="edge" d="{_path(edge)}" marker-end="url(#head)"/>'
    for box in group.boxes:
        yield from _box(box)
    yield "</g>"


def _box(placed: PlacedBox) -> Iterator[str]:
    kind = "inner" if placed.groups else "box"
    yield f'<g transform="translate({_number(placed.x)} {_number(placed.y)})">'
    yield f"<title>{_text(_whole(placed.box))}</title>"
    yield f'<rect class="{kind}" width="{_number(placed.width)}" height="{_number(placed.height)}" rx="6"/>'
    for number, line in enumerate(placed.lines):
        y = PADDING + LINE * (number + 1) - 6
        style = "name" if number == 0 else "said"
        yield f'<text class="{style}" x="{_number(PADDING)}" y="{_number(y)}">{_text(line)}</text>'
    for group in placed.groups:
        yield from _group(group)
    yield "</g>"


def _whole(box: Box) -> str:
    """What a pointer over the box shows: every text in its full length."""
    condition = f"if {box.condition}" if box.condition else None
    return "\n".join(part for part in (f"{box.name} ({box.type})", box.about, condition) if part)


def _path(points: tuple[Point, ...]) -> str:
    """Straight through a layer, curved between two layers."""
    x, y = points[0]
    parts = [f"M{_number(x)} {_number(y)}"]
    for index, (next_x, next_y) in enumerate(points[1:]):
        if index % 2 == 0:
            parts.append(f"V{_number(next_y)}")
        else:
            middle = _number((y + next_y) / 2)
            parts.append(f"C{_number(x)} {middle} {_number(next_x)} {middle} {_number(next_x)} {_number(next_y)}")
        x, y = next_x, next_y
    return " ".join(parts)


def _text(text: str) -> str:
    """The text escaped, without the characters that XML does not know."""
    return escape("".join(one for one in text if _is_xml(one)), {'"': "&quot;"})


def _is_xml(character: str) -> bool:
    code = ord(character)
    return character in "\t\n\r" or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
