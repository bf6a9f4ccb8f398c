"""Letters and digits as strokes: a table of our own, drawn by hand on a grid 4 wide and 6 high."""

import functools

from alphabench.data.mini.canvas import Array, Canvas, Colour
from alphabench.data.mini.strokes import Point, bezier, stroke

ADVANCE = 5.6
HEIGHT = 6.0

# Strokes are separated by semicolons; `*` marks the control point of a quadratic curve to the next point.
_ROUND = "2,0 *0,0 0,3 *0,6 2,6 *4,6 4,3 *4,0 2,0"
_BOWL = "0,6 0,0 2.2,0 *4,0 4,1.7 *4,3.4 2.2,3.4 0,3.4"
_TABLE = {
    "A": "0,6 2,0 4,6;0.7,4 3.3,4",
    "B": "0,0 0,6 2.4,6 *4,6 4,4.4 *4,3 2.4,3 0,3;0,0 2.2,0 *3.6,0 3.6,1.5 *3.6,3 2.2,3",
    "C": "4,1 *3.4,0 2,0 *0,0 0,3 *0,6 2,6 *3.4,6 4,5",
    "D": "0,0 0,6 1.6,6 *4,6 4,3 *4,0 1.6,0 0,0",
    "E": "4,0 0,0 0,6 4,6;0,3 3,3",
    "F": "4,0 0,0 0,6;0,3 3,3",
    "G": "4,1 *3.4,0 2,0 *0,0 0,3 *0,6 2,6 *4,6 4,3.4 2.4,3.4",
    "H": "0,0 0,6;4,0 4,6;0,3 4,3",
    "I": "2,0 2,6;1,0 3,0;1,6 3,6",
    "J": "3.4,0 3.4,4.4 *3.4,6 1.8,6 *0.2,6 0.2,4.6",
    "K": "0,0 0,6;4,0 0,3.6;1.4,2.4 4,6",
    "L": "0,0 0,6 3.8,6",
    "M": "0,6 0,0 2,3.6 4,0 4,6",
    "N": "0,6 0,0 4,6 4,0",
    "O": _ROUND,
    "P": _BOWL,
    "Q": f"{_ROUND};2.6,4.6 4,6.4",
    "R": f"{_BOWL};2,3.4 4,6",
    "S": "3.8,1 *3.3,0 2,0 *0.2,0 0.2,1.5 *0.2,2.8 2,3 *3.9,3.2 3.9,4.5 *3.9,6 2,6 *0.5,6 0,5",
    "T": "0,0 4,0;2,0 2,6",
    "U": "0,0 0,4 *0,6 2,6 *4,6 4,4 4,0",
    "V": "0,0 2,6 4,0",
    "W": "0,0 1,6 2,2 3,6 4,0",
    "X": "0,0 4,6;4,0 0,6",
    "Y": "0,0 2,3 4,0;2,3 2,6",
    "Z": "0,0 4,0 0,6 4,6",
    "0": f"{_ROUND};1.2,4.6 2.8,1.4",
    "1": "0.8,1.2 2,0 2,6;0.8,6 3.2,6",
    "2": "0.2,1.4 *0.3,0 2,0 *3.8,0 3.8,1.7 *3.8,3 0,6 4,6",
    "3": "0.2,0.8 *0.8,0 2,0 *3.7,0 3.7,1.5 *3.7,2.9 1.8,2.9 *4,2.9 4,4.5 *4,6 2,6 *0.5,6 0,5",
    "4": "3,6 3,0 0,4.2 4,4.2",
    "5": "3.7,0 0.5,0 0.3,2.6 *1,2.2 2,2.2 *4,2.2 4,4.1 *4,6 1.9,6 *0.6,6 0,5.2",
    "6": "3.5,0.6 *2.8,0 2,0 *0,0 0,3.8 *0,6 2,6 *4,6 4,4.1 *4,2.4 2.1,2.4 *0.4,2.4 0.05,3.6",
    "7": "0,0 4,0 1.4,6",
    "8": "2,2.9 *0.3,2.9 0.3,1.4 *0.3,0 2,0 *3.7,0 3.7,1.4 *3.7,2.9 2,2.9 "
    "*0,2.9 0,4.5 *0,6 2,6 *4,6 4,4.5 *4,2.9 2,2.9",
    "9": "0.5,5.4 *1.2,6 2,6 *4,6 4,2.2 *4,0 2,0 *0,0 0,1.9 *0,3.6 1.9,3.6 *3.6,3.6 3.95,2.4",
    ".": "1.8,5.8 2.2,6",
    ",": "2.2,5.4 1.5,7",
    "-": "0.6,3.2 3.4,3.2",
    "+": "0.4,3.2 3.6,3.2;2,1.6 2,4.8",
    "=": "0.4,2.4 3.6,2.4;0.4,4 3.6,4",
    "/": "0.4,6.4 3.6,-0.4",
    " ": "",
}


@functools.cache
def glyph(letter: str) -> tuple[tuple[tuple[Point, ...], ...], ...]:
    """Return a letter as strokes of legs: a leg is a line of two points or a quadratic curve of three."""
    return tuple(_legs(line) for line in _TABLE[letter].split(";") if line)


def text_width(text: str, height: float) -> float:
    """Return the width of a line of text whose capitals are `height` pixels high."""
    return (ADVANCE * len(text) - (ADVANCE - 4.0)) * height / HEIGHT


def write(canvas: Canvas, text: str, x: float, y: float, height: float, width: float, colour: Colour | Array) -> None:
    """Draw a line of text with its upper left corner at (`x`, `y`).

    Args:
        canvas: the picture.
        text: letters of the table.
        x: left edge in pixels.
        y: upper edge in pixels.
        height: height of the capitals in pixels.
        width: width of the strokes in pixels.
        colour: colour of the strokes.
    """
    scale = height / HEIGHT
    for place, letter in enumerate(text):
        left = x + ADVANCE * scale * place
        for legs in glyph(letter):
            for leg in legs:
                points = [(left + scale * u, y + scale * v) for u, v in leg]
                stroke(canvas, bezier(points), width, colour)


def _legs(line: str) -> tuple[tuple[Point, ...], ...]:
    legs: list[tuple[Point, ...]] = []
    control: list[Point] = []
    last: Point | None = None
    for token in line.split():
        u, v = token.removeprefix("*").split(",")
        point = (float(u), float(v))
        if token.startswith("*"):
            control = [point]
            continue
        if last is not None:
            legs.append((last, *control, point))
        last, control = point, []
    return tuple(legs)
