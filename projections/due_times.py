"""The times at which a schedule is due: from its rule and a time alone, never from a clock.

Times are read as Debian's cron reads them: where clocks go forward, a time of day that does not exist is due right
after the gap; where they go back, a time of day that comes twice is due once, while `*` in minute or hour goes on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from elexirion.events.schedule import Schedule

MOST = 500
"""So many times are looked at in one go; a decision about them leads on to the next ones."""


def due_times(rule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    """The times after `after` up to `until`, in UTC, each later than the one before; the first MOST of them."""
    return list(takewhile(lambda due: due <= until, islice(_coming(rule, after), MOST)))


def next_due(rule: Schedule, after: datetime) -> datetime | None:
    """The first time after `after`; None where there is none within 50 years."""
    return next(_coming(rule, after), None)


def problem_of(rule: Schedule, now: datetime) -> str | None:
    """Why there can be no such schedule."""
    try:
        if next_due(rule, now) is None:
            return f"`cron` {rule.cron!r} is due at no time"
    except CronSimError as error:
        return f"`cron` {rule.cron!r}: {error}; minute, hour, day of month, month and day of week are expected"
    except (ValueError, OSError):  # a name that is no path, and one of which there is no file
        return f"`timezone` {rule.timezone!r} is not known; names are such as UTC or Europe/Berlin"
    return None


def _coming(rule: Schedule, after: datetime) -> Iterator[datetime]:
    latest = after.astimezone(UTC)
    for due in CronSim(rule.cron, latest.astimezone(_zone(rule.timezone))):
        found = due.astimezone(UTC)
        if found > latest:
            latest = found
            yield found


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except KeyError as error:
        raise ValueError(name) from error
