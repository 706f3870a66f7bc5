"""Walking a folder within bounds, and matching its files with a pattern."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from elexirion.agents.worker import open_below

MAX_ENTRIES = 20_000
_MAX_PATTERN = 500
_MAX_ALTERNATIVES = 64
_BRACES = re.compile(r"\{([^{}]*)\}")
_ANY_FOLDERS = "**"


class TooManyEntries(Exception):  # noqa: N818 - what happened, like every event
    """More files and folders than were to be looked at."""


def files(root: Path, parts: tuple[str, ...], *, limit: int) -> Iterator[Path]:
    """Files and links below the folder `parts` of `root` in the order of names; links are not entered.

    Raises TooManyEntries after `limit` files and folders, OSError where the folder cannot be opened.
    """
    seen = 0
    with open_below.folder(root, parts) as top:
        # By descriptors: a folder that is swapped for a link during the walk is not entered either.
        for place, folders, names, _ in os.fwalk(".", follow_symlinks=False, dir_fd=top):
            folders.sort()
            seen += len(folders)
            for name in sorted(names):
                seen += 1
                if seen > limit:
                    raise TooManyEntries
                yield root.joinpath(*parts, place, name)


def names(root: Path, parts: tuple[str, ...]) -> list[str]:
    """What the folder `parts` of `root` holds, folders with a slash behind their names; raises OSError."""
    with open_below.folder(root, parts) as opened, os.scandir(opened) as entries:
        return sorted(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries)


def matcher(pattern: str) -> Callable[[tuple[str, ...]], bool]:
    """A test of the parts of a relative path; raises ValueError for one with too many forms."""
    if not pattern or len(pattern) > _MAX_PATTERN:
        raise ValueError(f"a file pattern has 1 to {_MAX_PATTERN} characters")
    forms = [_compiled(form) for form in _expanded(pattern)]
    return lambda parts: any(_matches(parts, form) for form in forms)


def _expanded(pattern: str) -> list[str]:
    """`*.{a,b}` as `*.a` and `*.b`."""
    forms = [pattern]
    while any(_BRACES.search(form) for form in forms):
        forms = [one for form in forms for one in _once_expanded(form)]
        if len(forms) > _MAX_ALTERNATIVES:
            raise ValueError(f"the file pattern has more than {_MAX_ALTERNATIVES} alternatives")
    return forms


def _once_expanded(form: str) -> list[str]:
    found = _BRACES.search(form)
    if found is None:
        return [form]
    return [form[: found.start()] + one + form[found.end() :] for one in found[1].split(",")]


def _compiled(form: str) -> list[re.Pattern[str] | None]:
    """One pattern for each part of the path; None stands for any number of folders."""
    parts = [part for part in form.split("/") if part not in ("", ".")]
    return [None if part == _ANY_FOLDERS else re.compile(fnmatch.translate(part)) for part in parts]


def _matches(parts: tuple[str, ...], form: list[re.Pattern[str] | None]) -> bool:
    """All ways at once, so that several `**` cost no more than one."""
    places = _with_skipped({0}, form)
    for part in parts:
        onward = {place for place in places if place < len(form) and form[place] is None}
        for place in places:
            expected = form[place] if place < len(form) else None
            if expected is not None and expected.match(part):
                onward.add(place + 1)
        places = _with_skipped(onward, form)
    return len(form) in places


def _with_skipped(places: set[int], form: list[re.Pattern[str] | None]) -> set[int]:
    reached = set(places)
    for place in range(len(form)):
        if place in reached and form[place] is None:
            reached.add(place + 1)
    return reached
