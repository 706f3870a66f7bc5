"""Checks of the providers: is there a key, and does the address answer."""

from elexirion.agents.health.report import Check, Finding
from elexirion.agents.providers.reachability import answer_of


def provider_api(base_url: str, missing: str | None, timeout_s: float) -> Check:
    """`missing` names the variable of a key that is not set: then nothing is asked, and nothing degraded.

    An unreachable provider degrades: the lanes of the others work on.
    """

    async def check() -> Finding:
        if missing:
            return Finding("not_configured", f"{missing} is not set")
        try:
            status = await answer_of(base_url, timeout_s)
        except ConnectionError as error:
            return Finding("degraded", f"{base_url} does not answer ({error})")
        if status >= 500:
            return Finding("degraded", f"{base_url} answers {status}")
        return Finding("healthy", f"{base_url} answers")

    return check
