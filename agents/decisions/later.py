"""Times to come."""

from datetime import datetime, timedelta

LONGEST_S = 10 * 366 * 86400.0


def later(moment: datetime, seconds: float) -> datetime:
    """So many seconds after `moment`, and never more than ten years: no calendar ends before a limit does."""
    return moment + timedelta(seconds=min(seconds, LONGEST_S))
