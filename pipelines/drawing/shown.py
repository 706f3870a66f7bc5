"""Texts as drawings show them: on one line, not too long, and as wide as they really are."""

import unicodedata

LONGEST = 48


def shortened(text: str, most: int = LONGEST) -> str:
    """The text on one line, without control characters, at most `most` characters long."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def width_of(text: str) -> int:
    """Columns of the text in a font of fixed width; characters of East Asian scripts take two."""
    return sum(0 if unicodedata.combining(one) else _columns(one) for one in text)


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
