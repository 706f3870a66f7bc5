"""Names close to a mistyped one, for hints."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Up to `limit` of the known names that look like `name`, the closest first."""
    by_lower = {candidate.lower(): candidate for candidate in known if candidate != name}
    # Longer names cost quadratic time and are never a typing slip.
    if len(name) > 100:
        return ()
    found = get_close_matches(name.lower(), list(by_lower), n=limit, cutoff=0.6)
    return tuple(by_lower[match] for match in found)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint such as "did you mean `prompt`?", or None when nothing is close."""
    candidates = near(name, known)
    if not candidates:
        return None
    return "did you mean " + " or ".join(f"`{candidate}`" for candidate in candidates) + "?"
