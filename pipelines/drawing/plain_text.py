"""The graph as text for a terminal: a line for each step, those with the same number can run at the same time."""

from collections.abc import Iterator

from elexirion.pipelines.drawing.picture import Box, Group
from elexirion.pipelines.drawing.shown import shortened, width_of

_INSIDE = "  │ "


def text_of_graph(groups: tuple[Group, ...]) -> str:
    """All groups, one below the other; ends with a newline."""
    return "\n\n".join("\n".join(_group(group, "")) for group in groups) + "\n"


def _group(group: Group, margin: str) -> Iterator[str]:
    if group.title:
        yield f"{margin}{shortened(group.title)}"
    layer_of = {box.name: number for number, layer in enumerate(group.layers(), 1) for box in layer}
    names = max((width_of(shortened(box.name)) for box in group.boxes), default=0)
    types = max((len(box.type) for box in group.boxes), default=0)
    digits = len(str(len(layer_of)))
    for box in sorted(group.boxes, key=lambda box: layer_of[box.name]):
        name = shortened(box.name)
        padding = " " * (names - width_of(name))
        line = f"{margin}{layer_of[box.name]:>{digits}}  {name}{padding}  {box.type:{types}}  {_said(box)}"
        yield line.rstrip()
        for inner in box.groups:
            yield from _group(inner, margin + " " * digits + _INSIDE)


def _said(box: Box) -> str:
    parts = [
        f"after {', '.join(shortened(need) for need in box.needs)}" if box.needs else "",
        f"if {shortened(box.condition, 80)}" if box.condition else "",
        shortened(box.about, 80) if box.about else "",
    ]
    return "  ".join(part for part in parts if part)
