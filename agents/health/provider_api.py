"""Checks of the providers: is there a key, does the address answer, and does it take the key."""

from elexirion.agents.health.report import Check, Finding
from elexirion.agents.providers.reachability import answer_of
from elexirion.agents.providers.wire_format import Probe

_REFUSED = frozenset({400, 401, 403})
_LIMITED = 429


def provider_api(probe: Probe, key_variable: str, missing: str | None, timeout_s: float) -> Check:
    """`missing` names the variable of a key that is not set: then nothing is asked, and nothing degraded.

    A provider that is unreachable or refuses the key degrades: the lanes of the others work on. The request lists
    models and so spends no tokens; an address that knows no such list answers all the same.
    """

    async def check() -> Finding:
        if missing:
            return Finding("not_configured", f"{missing} is not set")
        try:
            return _judged(await answer_of(probe, timeout_s), probe.url, key_variable)
        except ConnectionError as error:
            return Finding("degraded", f"{probe.url} does not answer ({error})")

    return check


def _judged(status: int, url: str, key_variable: str) -> Finding:
    if status in _REFUSED:
        return Finding("degraded", f"{url} answers {status}; check {key_variable}")
    if status == _LIMITED:
        return Finding("degraded", f"{url} answers {status}: too many requests")
    if status >= 500:
        return Finding("degraded", f"{url} answers {status}")
    if 300 <= status < 400:
        return Finding("degraded", f"{url} answers {status}, a redirect, which is not followed; check the base URL")
    return Finding("healthy", f"{url} answers")
