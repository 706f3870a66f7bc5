"""Where boxes and edges stand: layers from top to bottom, in units of SVG.

An edge over several layers gets a place of its own in each layer between, so that it passes no box. Every position
is relative to the part that it stands in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from elexirion.pipelines.drawing.picture import Box, Group
from elexirion.pipelines.drawing.shown import shortened, width_of

COLUMN = 7.8
LINE = 18.0
PADDING = 12.0
GAP_X = 28.0
GAP_Y = 40.0
_PASSAGE = 4.0

Point = tuple[float, float]
# A box by its name, or an edge on its way: from, to, layer.
_Slot = str | tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box with its lines of text, and the groups inside of it."""

    box: Box
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    groups: "tuple[PlacedGroup, ...]"


@dataclass(frozen=True, slots=True)
class PlacedGroup:
    """A group's boxes and edges; an edge is a list of points, pairs of them joined by a curve or a straight line."""

    title: str
    x: float
    y: float
    width: float
    height: float
    boxes: tuple[PlacedBox, ...]
    edges: tuple[tuple[Point, ...], ...]


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer's slots from left to right, and what it spans from top to bottom."""

    slots: tuple[_Slot, ...]
    top: float
    bottom: float


def placed_group(group: Group, x: float = 0.0, y: float = 0.0) -> PlacedGroup:
    """The group at a position, with everything in it at its place."""
    sizes = {box.name: _sized(box) for box in group.boxes}
    needs = {box.name: box.needs for box in group.boxes}
    title = shortened(group.title)
    header = LINE + PADDING if title else 0.0
    layers = _layers(_ordered(group), sizes, header)
    inner_width = max((_width(layer.slots, sizes) for layer in layers), default=0.0)
    width = max(inner_width, width_of(title) * COLUMN)
    centers = {slot: center for layer in layers for slot, center in _centers(layer.slots, sizes, width).items()}
    number_of = {slot: number for number, layer in enumerate(layers) for slot in layer.slots}
    return PlacedGroup(
        title=title,
        x=x,
        y=y,
        width=width,
        height=layers[-1].bottom if layers else header,
        boxes=tuple(_at(sizes[slot], centers[slot], layer.top) for layer in layers for slot in _names(layer.slots)),
        edges=tuple(
            _edge(_way(need, name, number_of[need], number_of[name]), number_of, layers, centers, sizes)
            for name in needs
            for need in needs[name]
        ),
    )


def _sized(box: Box) -> PlacedBox:
    """The box at the origin, as large as its texts and what is inside of it."""
    lines = tuple(_lines(box))
    y = PADDING + LINE * len(lines) + (PADDING / 2 if box.groups else 0.0)
    x, height, groups = PADDING, 0.0, []
    for group in box.groups:
        found = placed_group(group, x, y)
        groups.append(found)
        x += found.width + GAP_X
        height = max(height, found.height)
    inner = x - GAP_X + PADDING if groups else 0.0
    width = max(inner, max(width_of(line) for line in lines) * COLUMN + 2 * PADDING)
    return PlacedBox(box, lines, 0.0, 0.0, width, y + height + (PADDING if groups else 0.0), tuple(groups))


def _lines(box: Box) -> list[str]:
    lines = [shortened(box.name), box.type]
    if box.about:
        lines.append(shortened(box.about))
    if box.condition:
        lines.append(shortened(f"if {box.condition}"))
    return lines


def _ordered(group: Group) -> list[list[_Slot]]:
    """The slots of each layer, those that belong together below each other as far as one pass can tell."""
    layers: list[list[_Slot]] = [[box.name for box in layer] for layer in group.layers()]
    layer_of = {slot: number for number, layer in enumerate(layers) for slot in layer}
    above: dict[_Slot, list[_Slot]] = {}
    for box in group.boxes:
        for need in box.needs:
            way = _way(need, box.name, layer_of[need], layer_of[box.name])
            for before, slot in pairwise(way):
                above.setdefault(slot, []).append(before)
            for number, slot in enumerate(way[1:-1], layer_of[need] + 1):
                layers[number].append(slot)
    for upper, lower in pairwise(layers):
        place: dict[_Slot, int] = {slot: index for index, slot in enumerate(upper)}
        rank = {slot: _mean([place[before] for before in above.get(slot, []) if before in place]) for slot in lower}
        lower.sort(key=rank.__getitem__)
    return layers


def _way(need: str, name: str, start: int, end: int) -> list[_Slot]:
    return [need, *((need, name, layer) for layer in range(start + 1, end)), name]


def _mean(places: Sequence[int]) -> float:
    return sum(places) / len(places) if places else 0.0


def _layers(ordered: list[list[_Slot]], sizes: Mapping[str, PlacedBox], top: float) -> list[_Layer]:
    layers: list[_Layer] = []
    for slots in ordered:
        bottom = top + max(sizes[name].height for name in _names(slots))
        layers.append(_Layer(tuple(slots), top, bottom))
        top = bottom + GAP_Y
    return layers


def _names(slots: Sequence[_Slot]) -> list[str]:
    return [slot for slot in slots if isinstance(slot, str)]


def _wide(slot: _Slot, sizes: Mapping[str, PlacedBox]) -> float:
    return sizes[slot].width if isinstance(slot, str) else _PASSAGE


def _width(slots: Sequence[_Slot], sizes: Mapping[str, PlacedBox]) -> float:
    return sum(_wide(slot, sizes) for slot in slots) + GAP_X * (len(slots) - 1)


def _centers(slots: Sequence[_Slot], sizes: Mapping[str, PlacedBox], width: float) -> dict[_Slot, float]:
    x = (width - _width(slots, sizes)) / 2
    centers: dict[_Slot, float] = {}
    for slot in slots:
        centers[slot] = x + _wide(slot, sizes) / 2
        x += _wide(slot, sizes) + GAP_X
    return centers


def _at(sized: PlacedBox, center: float, top: float) -> PlacedBox:
    x = center - sized.width / 2
    return PlacedBox(sized.box, sized.lines, x, top, sized.width, sized.height, sized.groups)


def _edge(
    way: Sequence[_Slot],
    number_of: Mapping[_Slot, int],
    layers: Sequence[_Layer],
    centers: Mapping[_Slot, float],
    sizes: Mapping[str, PlacedBox],
) -> tuple[Point, ...]:
    """From the lower edge of a box down to its layer's end, through the layers between, to the upper edge of a box."""
    first, *between, last = way
    layer = layers[number_of[first]]
    points: list[Point] = [(centers[first], layer.top + _high(first, sizes)), (centers[first], layer.bottom)]
    for slot in between:
        layer = layers[number_of[slot]]
        points += [(centers[slot], layer.top), (centers[slot], layer.bottom)]
    return (*points, (centers[last], layers[number_of[last]].top))


def _high(slot: _Slot, sizes: Mapping[str, PlacedBox]) -> float:
    return sizes[slot].height if isinstance(slot, str) else 0.0
